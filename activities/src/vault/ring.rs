//! Keys held in memory, as a setting or a file gives them.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecretMut, SecretString};

use super::{Key, KeyProvider, VaultError};

/// Keys with their ids; the first seals.
pub struct KeyRing {
    active: String,
    keys: Vec<(String, Key)>,
}

/// Why a text is not a key ring. No variant holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// There is no key in it.
    #[error("the key ring is empty; it needs at least one `id:key`, the key being 32 bytes in base64")]
    Empty,
    /// An entry has no colon, or an id that is empty, too long or has other characters than letters, digits, `-` and `_`.
    #[error("entry {0} of the key ring is not `id:key` with an id of 1 to 32 letters, digits, `-` or `_`")]
    Entry(usize),
    /// A key is not 32 bytes in base64.
    #[error("key `{0}` of the key ring is not 32 bytes in base64")]
    Key(String),
    /// Two keys have one id.
    #[error("the key ring names key `{0}` twice")]
    Twice(String),
}

impl KeyRing {
    /// A fresh key from the machine's randomness, written `id:base64`, to be put in front of a ring.
    ///
    /// # Errors
    /// [`VaultError::CannotSeal`] if the machine has no randomness.
    pub fn fresh(id: &str) -> Result<SecretString, VaultError> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| VaultError::CannotSeal { row: format!("key ring entry `{id}`") })?;
        Ok(SecretString::from(format!("{id}:{}", STANDARD.encode(key))))
    }
}

impl FromStr for KeyRing {
    type Err = KeyRingError;

    fn from_str(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<(String, Key)> = Vec::new();
        for (index, entry) in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate() {
            let (id, encoded) = entry.split_once(':').ok_or(KeyRingError::Entry(index + 1))?;
            let well_formed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if id.is_empty() || id.len() > 32 || !id.chars().all(well_formed) {
                return Err(KeyRingError::Entry(index + 1));
            }
            let bytes: [u8; 32] =
                STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| KeyRingError::Key(id.to_owned()))?;
            if keys.iter().any(|(other, _)| other == id) {
                return Err(KeyRingError::Twice(id.to_owned()));
            }
            let mut key = Key::new(Box::new([0; 32]));
            key.expose_secret_mut().copy_from_slice(&bytes);
            keys.push((id.to_owned(), key));
        }
        let active = keys.first().map(|(id, _)| id.clone()).ok_or(KeyRingError::Empty)?;
        Ok(Self { active, keys })
    }
}

impl KeyProvider for KeyRing {
    fn active(&self) -> &str {
        &self.active
    }

    fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_fresh_key_makes_a_ring_and_no_two_are_alike() {
        let (one, other) = (KeyRing::fresh("k1").unwrap(), KeyRing::fresh("k1").unwrap());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_eq!(one.expose_secret().parse::<KeyRing>().unwrap().active(), "k1");
    }

    #[test]
    fn an_error_names_the_entry_and_never_the_key() {
        let good = format!("k1:{}", STANDARD.encode([1; 32]));
        let read = |text: &str| text.parse::<KeyRing>().map(|ring| ring.active).unwrap_err();
        assert_eq!(read(" , "), KeyRingError::Empty);
        assert_eq!(read(&format!("{good},nothing")), KeyRingError::Entry(2));
        assert_eq!(read(&format!("k 1:{}", STANDARD.encode([1; 32]))), KeyRingError::Entry(1));
        assert_eq!(read(&format!("{good},k2:{}", STANDARD.encode([7; 31]))), KeyRingError::Key("k2".into()));
        assert_eq!(read("k1:planted-secret!"), KeyRingError::Key("k1".into()));
        assert_eq!(read(&format!("{good},{good}")), KeyRingError::Twice("k1".into()));
        assert!(!format!("{:?} {}", read("k1:planted-secret!"), read("k1:planted-secret!")).contains("planted"));
        assert_eq!(format!("{:?}", good.parse::<KeyRing>().unwrap()), r#"["k1"]"#);
    }
}
