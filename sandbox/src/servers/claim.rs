//! One `up` for each folder. The claim is a lock on a file, which the system lets go of however its holder ends, and the file says who
//! holds it and where the parts answer.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::SandboxError;

/// What the holder of a folder tells those who come later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The holder's process id.
    pub pid: u32,
    /// Where its parts answer: name and URL, in the order in which they should be shown.
    pub urls: Vec<(String, String)>,
}

/// The sole right to run in a folder, until dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Claims the folder (the one called `.pressroom`), which is made if it is missing.
    ///
    /// # Errors
    /// [`SandboxError::AlreadyRunning`] when another process holds it.
    pub fn take(folder: &Path) -> Result<Self, SandboxError> {
        fs::create_dir_all(folder).map_err(SandboxError::at(folder))?;
        let path = folder.join("claim.json");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(SandboxError::at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read(&mut file);
                return Err(SandboxError::AlreadyRunning { folder: folder.to_owned(), pid: holder.pid, urls: holder.urls });
            }
            Err(TryLockError::Error(error)) => return Err(SandboxError::at(&path)(error)),
        }
        let mut claim = Self { path, file };
        claim.publish(&[])?;
        Ok(claim)
    }

    /// Writes down where the parts answer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(&mut self, urls: &[(String, String)]) -> Result<(), SandboxError> {
        let holder = Holder { pid: std::process::id(), urls: urls.to_vec() };
        let json = serde_json::to_vec_pretty(&holder).map_err(|error| SandboxError::at(&self.path)(error.into()))?;
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(0))?;
            file.set_len(0)?;
            file.write_all(&json)
        };
        write(&mut self.file).map_err(SandboxError::at(&self.path))
    }
}

fn read(file: &mut File) -> Holder {
    let mut json = Vec::new();
    // Caught while it is being written, it is empty: then nobody knows better than "running".
    if file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut json)).is_err() {
        return Holder::default();
    }
    serde_json::from_slice(&json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_about_the_first_and_may_follow_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Claim::take(folder.path()).unwrap();
        first.publish(&[("api".to_owned(), "http://127.0.0.1:8080/".to_owned())]).unwrap();
        let error = Claim::take(folder.path()).unwrap_err();
        let SandboxError::AlreadyRunning { pid, urls, .. } = &error else { panic!("{error}") };
        assert_eq!(*pid, std::process::id());
        assert_eq!(urls[0].1, "http://127.0.0.1:8080/");
        drop(first);
        Claim::take(folder.path()).unwrap();
    }
}
