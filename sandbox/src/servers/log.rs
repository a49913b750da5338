//! The servers' log files: appended to by the servers themselves, so that nothing is lost when we die, and kept small.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::SandboxError;

/// A log larger than this is moved aside; one older file is kept.
const MAX_BYTES: u64 = 4 << 20;
/// How much of the end of a log an error quotes at most.
const TAIL_BYTES: u64 = 16 << 10;

/// One server's log file.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    /// The log `<folder>/logs/<name>.log`.
    pub(crate) fn new(folder: &Path, name: &str) -> Result<Self, SandboxError> {
        let logs = folder.join("logs");
        private_folder(&logs)?;
        Ok(Self { path: logs.join(format!("{name}.log")) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the log for a server to append to, and says where its part will begin.
    pub(crate) fn open(&self) -> Result<(File, u64), SandboxError> {
        self.rotate()?;
        let file = OpenOptions::new().append(true).create(true).open(&self.path).map_err(SandboxError::at(&self.path))?;
        let begin = file.metadata().map_err(SandboxError::at(&self.path))?.len();
        Ok((file, begin))
    }

    /// Copies a log that has grown too large aside and empties it. The server holds the file open for appending, so it goes on at its new
    /// end; a few lines written in between may be lost.
    pub(crate) fn rotate(&self) -> Result<(), SandboxError> {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
            let older = self.path.with_extension("log.1");
            fs::copy(&self.path, &older).map_err(SandboxError::at(&older))?;
            OpenOptions::new().write(true).truncate(true).open(&self.path).map_err(SandboxError::at(&self.path))?;
        }
        Ok(())
    }

    /// The last lines written since `begin`.
    pub(crate) fn tail(&self, begin: u64) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(begin.min(end).max(end.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes), 20),
            Err(error) => format!("(unreadable: {error})"),
        }
    }
}

/// Makes a folder that only its owner may look into: journals and logs hold what users wrote.
pub(crate) fn private_folder(path: &Path) -> Result<(), SandboxError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(SandboxError::at(path)(error)),
        _ => Ok(()),
    }
}

/// The last lines of a text that say something.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_the_part_of_this_start_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path(), "server").unwrap();
        let (mut file, begin) = log.open().unwrap();
        assert_eq!(begin, 0);
        writeln!(file, "old trouble").unwrap();
        let (mut file, begin) = log.open().unwrap();
        writeln!(file, "new trouble").unwrap();
        assert_eq!(log.tail(begin), "new trouble");
    }

    #[test]
    fn a_large_log_is_moved_aside_while_the_server_goes_on_writing() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path(), "server").unwrap();
        let (mut server, _) = log.open().unwrap();
        server.write_all(&vec![b'x'; usize::try_from(MAX_BYTES).unwrap() + 1]).unwrap();
        log.rotate().unwrap();
        server.write_all(b"after").unwrap();
        assert_eq!(fs::read_to_string(log.path()).unwrap(), "after");
        assert!(fs::metadata(folder.path().join("logs/server.log.1")).unwrap().len() > MAX_BYTES);
    }
}
