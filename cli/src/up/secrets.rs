//! The secrets that a laptop makes for itself, in a file that only its owner can read.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use activities::store::{Store, orgs};
use anyhow::Context as _;
use domain::ids::OrgId;
use gateway::{access::Role, admin};
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// What is kept in `.pressroom/secrets.json`.
pub(crate) struct Secrets {
    /// The application's role in the database.
    pub app_password: SecretString,
    /// The key ring.
    pub vault_keys: SecretString,
    /// Signs access tokens.
    pub token_secret: SecretString,
    org: Option<OrgId>,
    api_key: Option<SecretString>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    app_password: String,
    vault_keys: String,
    token_secret: String,
    org: Option<OrgId>,
    api_key: Option<String>,
}

impl Secrets {
    /// Reads them, or makes new ones.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or the file is damaged.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("secrets.json");
        let stored: Stored = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!(
                    "{} is damaged. It seals the stored credentials: restore it, or start anew by removing {}",
                    file.display(),
                    folder.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Stored {
                    app_password: random_text(),
                    vault_keys: format!("laptop1:{}", random_key()),
                    token_secret: random_text(),
                    org: None,
                    api_key: None,
                };
                write_private(&file, &serde_json::to_vec_pretty(&made)?)?;
                made
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        Ok(Self {
            app_password: stored.app_password.into(),
            vault_keys: stored.vault_keys.into(),
            token_secret: stored.token_secret.into(),
            org: stored.org,
            api_key: stored.api_key.map(Into::into),
        })
    }

    /// Makes the org and a key for it, unless the database has them.
    ///
    /// # Errors
    /// When the database cannot answer or the folder cannot be written.
    pub(crate) async fn ensure_org(&mut self, store: &Store, folder: &Path) -> anyhow::Result<()> {
        let known = match self.org {
            Some(org) => orgs::get(&mut store.in_org(org).await.map_err(failed)?).await.map_err(failed)?.is_some(),
            None => false,
        };
        if !known || self.api_key.is_none() {
            let org = admin::create_org(store, "My newsroom").await.map_err(failed)?;
            let key = admin::create_api_key(store, org, "laptop", Role::Owner).await.map_err(failed)?;
            self.org = Some(org);
            self.api_key = Some(key);
            let stored = Stored {
                app_password: self.app_password.expose_secret().to_owned(),
                vault_keys: self.vault_keys.expose_secret().to_owned(),
                token_secret: self.token_secret.expose_secret().to_owned(),
                org: self.org,
                api_key: self.api_key.as_ref().map(|k| k.expose_secret().to_owned()),
            };
            write_private(&folder.join("secrets.json"), &serde_json::to_vec_pretty(&stored)?)?;
        }
        write_private(&folder.join("api-key"), self.api_key()?.expose_secret().as_bytes())
    }

    /// The key for the API.
    ///
    /// # Errors
    /// Before [`Self::ensure_org`].
    pub(crate) fn api_key(&self) -> anyhow::Result<&SecretString> {
        self.api_key.as_ref().context("no API key was made yet")
    }
}

fn failed(error: activities::ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// 256 random bits as hexadecimal text.
fn random_text() -> String {
    rand::rng().random::<[u8; 32]>().iter().map(|b| format!("{b:02x}")).collect()
}

fn random_key() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(rand::rng().random::<[u8; 32]>())
}

/// Writes a file that only its owner can read, in one go.
fn write_private(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(content)?;
        out.sync_all()?;
        fs::rename(&new, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::open(folder.path()).unwrap();
        let second = Secrets::open(folder.path()).unwrap();
        assert_eq!(first.vault_keys.expose_secret(), second.vault_keys.expose_secret());
        let mode = fs::metadata(folder.path().join("secrets.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_not_replaced_silently() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secrets.json"), "{").unwrap();
        let Err(error) = Secrets::open(folder.path()) else { panic!("accepted") };
        assert!(format!("{error:#}").contains("damaged"), "{error:#}");
    }
}
