//! A Debian package without installing it: fetched through the machine's own `apt-get` and mirror, unpacked by `dpkg-deb`.
//!
//! `apt-get` gets lists, cache and sources of its own in the working folder, so that nothing of the machine's is changed and no right is needed. It
//! asks the mirror that the machine asks.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::SandboxError;
use super::fetch::{self, SearchPath};
use super::packages::Package;

const CLIENT: &str = "apt-get";

/// The command that downloads `wanted` (`name=version`) into `folder`; the lists of `suite` are there when this returns.
///
/// # Errors
/// Where there is no `apt-get` or `dpkg-deb`, the machine has no mirror of that Debian, or the mirror cannot be reached.
pub(crate) fn download(package: &Package, wanted: &str, suite: &str, folder: &Path, clients: &SearchPath) -> Result<Command, SandboxError> {
    let needs = |program: &'static str| {
        clients.find(program).ok_or_else(|| fetch::missing(program, wanted.to_owned(), "nothing, but run this on Debian 12", package))
    };
    let apt = needs(CLIENT)?;
    needs("dpkg-deb")?;
    let release = suite.split('-').next().unwrap_or(suite);
    let mut targets = Command::new(&apt);
    targets.args(["indextargets", "--format", "$(CODENAME) $(REPO_URI)"]);
    let targets = fetch::run(CLIENT, &mut targets, folder, package.without)?;
    let mirror = targets.lines().filter_map(|line| line.split_once(' ')).find(|(codename, _)| *codename == release).map(|(_, uri)| uri);
    let Some(mirror) = mirror else {
        return Err(SandboxError::ClientFailed {
            client: CLIENT,
            command: format!("{CLIENT} indextargets"),
            without: package.without,
            output: format!("this machine's package sources name no mirror of {release} (run `{CLIENT} update` once, if they should)"),
        });
    };
    let private = folder.join("apt");
    for inner in ["state/lists/partial", "cache/archives/partial"] {
        let path = private.join(inner);
        fs::create_dir_all(&path).map_err(SandboxError::at(&path))?;
    }
    let sources = private.join("sources.list");
    fs::write(&sources, format!("deb {mirror} {suite} main\n")).map_err(SandboxError::at(&sources))?;
    let own = || {
        let mut command = Command::new(&apt);
        for (name, path) in
            [("Dir::Etc::sourcelist", &sources), ("Dir::State", &private.join("state")), ("Dir::Cache", &private.join("cache"))]
        {
            command.arg("-o").arg(format!("{name}={}", path.display()));
        }
        // As root it would become another user, who may not enter the folder. What it fetches is checked by its signature, and by our checksum.
        command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", "-q"]);
        command
    };
    fetch::run(CLIENT, own().arg("update"), folder, package.without)?;
    let mut command = own();
    command.args(["download", wanted]);
    Ok(command)
}

/// The package's files as a tar, as they are read.
///
/// # Errors
/// When `dpkg-deb` cannot be started.
pub(crate) fn files(archive: &Path) -> io::Result<(std::process::Child, std::process::ChildStdout)> {
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let tar = child.stdout.take().ok_or_else(|| io::Error::other("dpkg-deb has no output"))?;
    Ok((child, tar))
}

/// Whether this is a Debian package.
pub(crate) fn is_package(archive: &Path) -> bool {
    archive.extension().is_some_and(|extension| extension == "deb")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::servers::packages::snac;

    fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn try_with(apt: &str) -> Result<String, String> {
        let (tools, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(tools.path(), "apt-get", apt);
        program(tools.path(), "dpkg-deb", "");
        let package = snac("linux", "x86_64").unwrap();
        let clients = SearchPath(Some(tools.path().to_owned()));
        download(&package, "snac2=1", "bookworm-backports", folder.path(), &clients).map_err(|error| error.to_string())?;
        Ok(fs::read_to_string(folder.path().join("apt/sources.list")).unwrap())
    }

    #[test]
    fn the_machines_own_mirror_is_asked() {
        let apt = "case \"$1\" in indextargets) echo 'bookworm-security http://a.invalid/s/'; echo 'bookworm http://mirror.invalid/debian/';; esac";
        assert_eq!(try_with(apt).unwrap(), "deb http://mirror.invalid/debian/ bookworm-backports main\n");
    }

    #[test]
    fn another_system_is_told_what_is_missing() {
        let error = try_with("echo 'noble http://mirror.invalid/ubuntu/'").unwrap_err();
        assert!(error.contains("no mirror of bookworm") && error.contains("real-servers"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        let package = snac("linux", "x86_64").unwrap();
        let error = download(&package, "snac2=1", "bookworm-backports", empty.path(), &SearchPath(Some(empty.path().to_owned())));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("apt-get is needed to fetch snac2=1") && error.contains("Debian 12"), "{error}");
    }
}
