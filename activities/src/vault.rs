//! Secrets at rest: AES-256-GCM under a key ring, each bound to the row it belongs to.
//!
//! A sealed value names the key that sealed it, so that keys can be rotated: add a new one in front, re-seal what [`Vault::rotate`] says is under
//! an older one, then drop the old key. The identity of the row (`connectors/con_.../org_...`) is authenticated along with the text: a value that
//! was copied into another row, or another org's, does not open there.
//!
//! Nothing here prints a key or a plain text, not with `Debug` either; an error names key ids and rows only.

use std::{fmt, sync::Arc};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::ActivityError;

mod ring;

pub use ring::{KeyRing, KeyRingError};

/// The layout of a sealed value: this byte, the length of the key id (one byte), the key id, the nonce (12 bytes), the cipher text with its tag.
const LAYOUT: u8 = 1;

/// A 256-bit key.
pub type Key = secrecy::SecretBox<[u8; 32]>;

/// Where keys come from. [`KeyRing`] holds them in memory; a provider in front of a key management service unwraps its data keys when it is made,
/// so that opening a value needs no network.
pub trait KeyProvider: Send + Sync {
    /// The id of the key that seals.
    fn active(&self) -> &str;
    /// The key of that id, if it is (still) known.
    fn key(&self, id: &str) -> Option<&Key>;
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Vault(Arc<dyn KeyProvider>);

/// A secret that can be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// Why a value cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The bytes are not a sealed value.
    #[error("the stored secret of {row} is damaged: it is not in a layout that this version knows")]
    Layout {
        /// The row.
        row: String,
    },
    /// The key that sealed it is not in the ring.
    #[error("the stored secret of {row} is sealed with key `{key}`, which is not in the key ring; put it back behind the active key")]
    UnknownKey {
        /// The row.
        row: String,
        /// The key that it names.
        key: String,
    },
    /// It does not open: other key material under the same id, another row's value, or changed bytes.
    #[error("the stored secret of {row} does not open with key `{key}`: it was changed, belongs to another row, or the key is another one")]
    DoesNotOpen {
        /// The row.
        row: String,
        /// The key that it names.
        key: String,
    },
    /// The text inside is not UTF-8 although text was expected.
    #[error("the stored secret of {row} is not text")]
    NotText {
        /// The row.
        row: String,
    },
    /// The machine's randomness or the cipher failed.
    #[error("the secret of {row} could not be sealed")]
    CannotSeal {
        /// The row.
        row: String,
    },
}

impl From<VaultError> for ActivityError {
    /// Trying again does not help before a person has changed something.
    fn from(error: VaultError) -> Self {
        Self::rejected(error)
    }
}

impl Vault {
    /// A vault over any provider of keys.
    pub fn new(keys: impl KeyProvider + 'static) -> Self {
        Self(Arc::new(keys))
    }

    /// A vault over a key ring written `id:base64,id:base64`; the first key seals, all of them open.
    ///
    /// # Errors
    /// [`KeyRingError`] says which entry is wrong, without its key.
    pub fn from_keys(keys: &str) -> Result<Self, KeyRingError> {
        keys.parse::<KeyRing>().map(Self::new)
    }

    /// Seals `plaintext` for the row that `row` identifies; only the same `row` opens it.
    ///
    /// # Errors
    /// [`VaultError::CannotSeal`], or [`VaultError::UnknownKey`] if the provider does not hold its own active key.
    pub fn seal(&self, row: &str, plaintext: &[u8]) -> Result<Sealed, VaultError> {
        let id = self.0.active();
        let cannot = || VaultError::CannotSeal { row: row.to_owned() };
        let key = self.cipher(row, id)?;
        let id_length = u8::try_from(id.len()).map_err(|_| cannot())?;
        let mut text = plaintext.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(bound_to(id, row)), &mut text).map_err(|_| cannot())?;
        let mut sealed = Vec::with_capacity(2 + id.len() + NONCE_LEN + text.len());
        sealed.extend([LAYOUT, id_length]);
        sealed.extend(id.as_bytes());
        sealed.extend(nonce.as_ref());
        sealed.extend(text);
        Ok(Sealed(sealed))
    }

    /// Opens what was sealed for the same row.
    ///
    /// # Errors
    /// [`VaultError`] says what is wrong with it.
    pub fn open(&self, row: &str, sealed: &Sealed) -> Result<SecretSlice<u8>, VaultError> {
        let (id, nonce, text) = sealed.parts().ok_or_else(|| VaultError::Layout { row: row.to_owned() })?;
        let key = self.cipher(row, id)?;
        let mut text = text.to_vec();
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to(id, row)), &mut text)
            .map_err(|_| VaultError::DoesNotOpen { row: row.to_owned(), key: id.to_owned() })?
            .len();
        text.truncate(opened);
        Ok(SecretSlice::from(text))
    }

    /// As [`Vault::open`], for text.
    ///
    /// # Errors
    /// As [`Vault::open`], and [`VaultError::NotText`].
    pub fn open_text(&self, row: &str, sealed: &Sealed) -> Result<SecretString, VaultError> {
        let opened = self.open(row, sealed)?;
        let text = std::str::from_utf8(opened.expose_secret()).map_err(|_| VaultError::NotText { row: row.to_owned() })?;
        Ok(SecretString::from(text))
    }

    /// The value sealed anew with the active key, or `None` if it is already.
    ///
    /// # Errors
    /// As [`Vault::open`] and [`Vault::seal`].
    pub fn rotate(&self, row: &str, sealed: &Sealed) -> Result<Option<Sealed>, VaultError> {
        if sealed.key_id() == Some(self.0.active()) {
            return Ok(None);
        }
        self.seal(row, self.open(row, sealed)?.expose_secret()).map(Some)
    }

    fn cipher(&self, row: &str, id: &str) -> Result<RandomizedNonceKey, VaultError> {
        let unknown = || VaultError::UnknownKey { row: row.to_owned(), key: id.to_owned() };
        let key = self.0.key(id).ok_or_else(unknown)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.expose_secret()).map_err(|_| unknown())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("active", &self.0.active()).finish_non_exhaustive()
    }
}

/// What is authenticated beside the text: the layout, the key's id and the row, parted by a byte that no id holds.
fn bound_to(key_id: &str, row: &str) -> Vec<u8> {
    [&[LAYOUT], key_id.as_bytes(), &[0], row.as_bytes()].concat()
}

impl Sealed {
    /// Reads back stored bytes. Whether they are sound shows when they are opened.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id of the key that sealed it, for finding what has yet to be rotated.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.parts().map(|(id, ..)| id)
    }

    fn parts(&self) -> Option<(&str, [u8; NONCE_LEN], &[u8])> {
        let (&[layout, id_length], rest) = self.0.split_first_chunk()?;
        if layout != LAYOUT {
            return None;
        }
        let (id, rest) = rest.split_at_checked(usize::from(id_length))?;
        let (nonce, text) = rest.split_first_chunk()?;
        Some((std::str::from_utf8(id).ok()?, *nonce, text))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key_id()).field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROW: &str = "connectors/con_1/org_1";

    fn ring(ids: &[&str]) -> String {
        let entries = ids.iter().map(|id| format!("{id}:{}", base64(&[id.as_bytes()[1]; 32])));
        entries.collect::<Vec<_>>().join(",")
    }

    fn base64(bytes: &[u8]) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn vault(ids: &[&str]) -> Vault {
        Vault::from_keys(&ring(ids)).unwrap()
    }

    fn text(vault: &Vault, row: &str, sealed: &Sealed) -> Result<String, VaultError> {
        vault.open_text(row, sealed).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn a_secret_opens_in_its_own_row_only() {
        let vault = vault(&["k1"]);
        let sealed = vault.seal(ROW, b"token").unwrap();
        assert_eq!(text(&vault, ROW, &Sealed::from_bytes(sealed.as_bytes().to_vec())), Ok("token".into()));
        for row in ["connectors/con_2/org_1", "connectors/con_1/org_2", ""] {
            let error = text(&vault, row, &sealed).unwrap_err();
            assert_eq!(error, VaultError::DoesNotOpen { row: row.into(), key: "k1".into() });
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same_and_never_shows() {
        let vault = vault(&["k1"]);
        let one = vault.seal(ROW, b"a planted token").unwrap();
        assert_ne!(one, vault.seal(ROW, b"a planted token").unwrap());
        assert!(!one.as_bytes().windows(7).any(|window| window == b"planted"));
        let shown = format!("{vault:?} {one:?} {:?}", vault.open_text(ROW, &one));
        assert!(!shown.contains("planted") && !shown.contains(&base64(&[b'1'; 32])), "{shown}");
    }

    #[test]
    fn keys_rotate_without_a_moment_in_which_something_cannot_be_read() {
        let old = vault(&["k1"]).seal(ROW, b"token").unwrap();
        let both = vault(&["k2", "k1"]);
        assert_eq!(text(&both, ROW, &old), Ok("token".into()));
        let new = both.rotate(ROW, &old).unwrap().unwrap();
        assert_eq!((old.key_id(), new.key_id()), (Some("k1"), Some("k2")));
        assert_eq!(both.rotate(ROW, &new), Ok(None));
        let rotated = vault(&["k2"]);
        assert_eq!(text(&rotated, ROW, &new), Ok("token".into()));
        assert_eq!(text(&rotated, ROW, &old), Err(VaultError::UnknownKey { row: ROW.into(), key: "k1".into() }));
        assert!(both.rotate("another row", &old).is_err(), "rotation does not move a secret to another row");
    }

    #[test]
    fn other_material_under_a_known_id_does_not_open() {
        let sealed = vault(&["k1"]).seal(ROW, b"token").unwrap();
        let other = Vault::from_keys(&format!("k1:{}", base64(&[9; 32]))).unwrap();
        assert_eq!(text(&other, ROW, &sealed), Err(VaultError::DoesNotOpen { row: ROW.into(), key: "k1".into() }));
    }

    #[test]
    fn bytes_that_are_no_text_open_as_bytes() {
        let vault = vault(&["k1"]);
        let sealed = vault.seal(ROW, &[0xff, 0xfe]).unwrap();
        assert_eq!(vault.open(ROW, &sealed).unwrap().expose_secret(), &[0xff, 0xfe]);
        assert_eq!(text(&vault, ROW, &sealed), Err(VaultError::NotText { row: ROW.into() }));
    }

    proptest! {
        #[test]
        fn a_changed_or_cut_value_never_opens(plain in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let vault = vault(&["k1", "k2"]);
            let sealed = vault.seal(ROW, &plain).unwrap();
            let opened = vault.open(ROW, &sealed).unwrap();
            prop_assert_eq!(opened.expose_secret(), &plain[..]);
            let mut changed = sealed.as_bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] ^= 1 << bit;
            prop_assert!(vault.open(ROW, &Sealed::from_bytes(changed)).is_err());
            prop_assert!(vault.open(ROW, &Sealed::from_bytes(sealed.as_bytes()[..at].to_vec())).is_err());
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
            prop_assert!(vault(&["k1"]).open(ROW, &Sealed::from_bytes(bytes)).is_err());
        }
    }
}
