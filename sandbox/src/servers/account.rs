//! Under which account PostgreSQL runs. It refuses to be root, so as root an unprivileged account is lent to it, which owns the data and
//! must be able to walk down to data and binaries.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use nix::unistd::{User, geteuid};

use super::error::SandboxError;

/// An unprivileged account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account that PostgreSQL must be run under: none (our own) unless we are root. `postgres` where it exists, else `nobody`.
///
/// # Errors
/// As root on a system that knows neither account.
pub(crate) fn for_postgres() -> Result<Option<Account>, SandboxError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok(Some(Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    Err(SandboxError::NoAccount)
}

impl Account {
    /// Whether this account can walk down to `path`, of which the deepest folders need not exist yet.
    pub(crate) fn can_reach(&self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|folder| match fs::metadata(folder) {
            Ok(metadata) => {
                let mode = metadata.permissions().mode();
                let bit = if metadata.uid() == self.uid {
                    0o100
                } else if metadata.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                mode & bit != 0
            }
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        })
    }

    /// Gives the account a path.
    pub(crate) fn own(&self, path: &Path) -> Result<(), SandboxError> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(SandboxError::at(path))
    }
}

/// Where PostgreSQL's data lives for a folder: inside it, or, when the account cannot reach that, under `/var/lib/pressroom` by the folder's
/// hash; a note in the folder then says so.
pub(crate) fn data_home(folder: &Path, account: Option<&Account>) -> Result<PathBuf, SandboxError> {
    let inside = folder.join("postgres");
    let Some(account) = account else { return Ok(folder.to_owned()) };
    if account.can_reach(&inside) {
        return Ok(folder.to_owned());
    }
    let hash = HEXLOWER.encode(&digest(&SHA256, folder.as_os_str().as_encoded_bytes()).as_ref()[..8]);
    let outside = PathBuf::from("/var/lib/pressroom").join(hash);
    fs::create_dir_all(&outside).map_err(SandboxError::at(&outside))?;
    for path in [Path::new("/var/lib/pressroom"), &outside] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).map_err(SandboxError::at(path))?;
    }
    let note = folder.join("postgres.location");
    let text = format!(
        "{}\nPostgreSQL refuses to run as root, and the account {} cannot reach this folder, so its data is there.\n",
        outside.join("postgres").display(),
        account.name
    );
    fs::write(&note, text).map_err(SandboxError::at(&note))?;
    Ok(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_on_the_way_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let stranger = Account { name: "stranger".to_owned(), uid: 987_654, gid: 987_654 };
        let inner = folder.path().join("closed");
        fs::create_dir(&inner).unwrap();
        let open = stranger.can_reach(&inner);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.can_reach(&inner.join("data")), "a folder of mode 700 of another owner hides what is below");
        assert_eq!(open, stranger.can_reach(&inner), "the last part of the path itself does not count");
    }

    #[test]
    fn without_root_the_data_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_home(folder.path(), None).unwrap(), folder.path());
    }
}
