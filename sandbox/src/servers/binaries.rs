//! Which binaries are run: those that the settings name, else fitting ones on `PATH`, else the pinned packages from the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::SecretString;

use super::account;
use super::cache::Cache;
use super::error::SandboxError;
use super::external::RestateUrls;
use super::fetch::{SearchPath, is_executable};
use super::packages::{self, POSTGRES_SETTING, Package, RESTATE_SETTING};
use super::process::while_busy;

const RESTATE_WANTED: &str = "restate-server 1.7";
const POSTGRES_WANTED: &str = "PostgreSQL 16 or newer with the extension pgvector";
/// The oldest PostgreSQL that our migrations are written for.
const POSTGRES_OLDEST: u32 = 16;

/// Which servers to use, from the settings. Everything may be left out.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// A running PostgreSQL to use instead of one of our own.
    pub database_url: Option<SecretString>,
    /// A running restate-server to use instead of one of our own.
    pub restate_urls: Option<RestateUrls>,
    /// A restate-server binary.
    pub restate: Option<PathBuf>,
    /// The folder that holds `postgres` and `initdb`, or the path of `postgres` itself.
    pub postgres: Option<PathBuf>,
    /// Do not look on `PATH`: use the pinned packages.
    pub pinned_only: bool,
    /// The cache for fetched servers; the user's own when left out.
    pub cache: Option<PathBuf>,
    /// A fixed port for PostgreSQL; a free one when left out.
    pub postgres_port: Option<u16>,
    /// A fixed port for Restate's ingress; a free one when left out.
    pub ingress_port: Option<u16>,
    /// A fixed port for Restate's admin API and UI; a free one when left out.
    pub admin_port: Option<u16>,
}

/// Whether a binary can be used, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// It can be used.
    Fit,
    /// It cannot, for this reason.
    Unfit(String),
}

/// A program and, when it comes from the cache, the package it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) program: PathBuf,
    pub(crate) package: Option<(Cache, Package)>,
}

impl Binary {
    /// After a failed start: whether the files of the cached package are damaged. They are thrown away then, and fetched by the next start.
    pub(crate) fn is_damaged(&self) -> bool {
        self.package.as_ref().is_some_and(|(cache, package)| matches!(cache.check(package), Ok(false)))
    }
}

/// The restate-server to run. Blocks.
pub(crate) fn restate(settings: &ServerSettings) -> Result<Binary, SandboxError> {
    let package = || {
        packages::restate_server(std::env::consts::OS, std::env::consts::ARCH).ok_or(SandboxError::UnsupportedPlatform {
            server: "restate-server",
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            setting: RESTATE_SETTING,
        })
    };
    if let Some(path) = &settings.restate {
        return match restate_fitness(path) {
            Fitness::Fit => Ok(Binary { program: path.clone(), package: None }),
            Fitness::Unfit(reason) => Err(SandboxError::UnfitServer {
                server: "restate-server",
                path: path.clone(),
                reason,
                wanted: RESTATE_WANTED,
                setting: RESTATE_SETTING,
            }),
        };
    }
    let on_path = || SearchPath::default().find("restate-server");
    choose(settings, on_path, restate_fitness, package)
}

/// The `postgres` to run; its `initdb` lies beside it. Blocks.
pub(crate) fn postgres(settings: &ServerSettings) -> Result<Binary, SandboxError> {
    let package = || {
        packages::postgresql(std::env::consts::OS, std::env::consts::ARCH).ok_or(SandboxError::UnsupportedPlatform {
            server: "PostgreSQL",
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            setting: POSTGRES_SETTING,
        })
    };
    if let Some(path) = &settings.postgres {
        let program = if path.is_dir() { path.join("postgres") } else { path.clone() };
        return match postgres_fitness(&program) {
            Fitness::Fit => Ok(Binary { program, package: None }),
            Fitness::Unfit(reason) => Err(SandboxError::UnfitServer {
                server: "PostgreSQL",
                path: program,
                reason,
                wanted: POSTGRES_WANTED,
                setting: POSTGRES_SETTING,
            }),
        };
    }
    // Distributions link `postgres` into a folder of PATH, but `initdb` and the extensions lie beside the real file.
    let on_path = || SearchPath::default().find("postgres").and_then(|path| path.canonicalize().ok());
    choose(settings, on_path, postgres_fitness, package)
}

fn choose(
    settings: &ServerSettings,
    on_path: impl FnOnce() -> Option<PathBuf>,
    fitness: fn(&Path) -> Fitness,
    package: impl FnOnce() -> Result<Package, SandboxError>,
) -> Result<Binary, SandboxError> {
    if !settings.pinned_only
        && let Some(program) = on_path()
    {
        match fitness(&program) {
            Fitness::Fit => return Ok(Binary { program, package: None }),
            Fitness::Unfit(reason) => tracing::debug!(program = %program.display(), reason, "not used"),
        }
    }
    let package = package()?;
    let cache = match &settings.cache {
        Some(folder) => Cache::new(folder.clone()),
        None => Cache::of_user()?,
    };
    let program = cache.ensure(&package)?.join(package.programs[package.programs.len() - 1]);
    Ok(Binary { program, package: Some((cache, package)) })
}

/// Whether this is a restate-server 1.7.
#[must_use]
pub(crate) fn restate_fitness(program: &Path) -> Fitness {
    match version_words(program) {
        Err(reason) => Fitness::Unfit(reason),
        Ok(words) if words.starts_with("restate-server 1.7.") => Fitness::Fit,
        Ok(words) => Fitness::Unfit(format!("it is {words}")),
    }
}

/// Whether this is a PostgreSQL that is new enough, has its `initdb` beside it, and pgvector installed.
#[must_use]
pub(crate) fn postgres_fitness(program: &Path) -> Fitness {
    let words = match version_words(program) {
        Ok(words) => words,
        Err(reason) => return Fitness::Unfit(reason),
    };
    match postgres_major(&words) {
        Some(major) if major >= POSTGRES_OLDEST => {}
        _ => return Fitness::Unfit(format!("it is {words}")),
    }
    if !is_executable(&program.with_file_name("initdb")) {
        return Fitness::Unfit("initdb is not beside it".to_owned());
    }
    if !has_pgvector(program) {
        return Fitness::Unfit("the extension pgvector is not installed for it".to_owned());
    }
    match account::for_postgres() {
        Ok(Some(account)) if !account.can_reach(program) => Fitness::Unfit(format!(
            "PostgreSQL refuses to run as root, and the account {} that it is run under cannot reach it (a folder on the way is closed to others)",
            account.name
        )),
        _ => Fitness::Fit,
    }
}

/// The major version in what `postgres --version` prints.
pub(crate) fn postgres_major(words: &str) -> Option<u32> {
    let version = words.strip_prefix("postgres (PostgreSQL) ")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What `program --version` prints, or why it does not.
pub(crate) fn version_words(program: &Path) -> Result<String, String> {
    let output = while_busy(|| Command::new(program).arg("--version").output()).map_err(|error| format!("it does not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("`--version` ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn has_pgvector(program: &Path) -> bool {
    let Some(root) = program.parent().and_then(Path::parent) else { return false };
    let asked = Command::new(program.with_file_name("pg_config"))
        .arg("--sharedir")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    // Debian keeps the shared files apart: /usr/lib/postgresql/16/bin and /usr/share/postgresql/16.
    let debian = root.file_name().map(|major| Path::new("/usr/share/postgresql").join(major));
    let beside = [root.join("share/postgresql"), root.join("share")];
    asked.into_iter().chain(beside).chain(debian).any(|share| share.join("extension/vector.control").is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, name: &str, prints: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn only_a_fitting_restate_server_is_used() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(restate_fitness(&program(folder.path(), "new", "restate-server 1.7.3")), Fitness::Fit);
        for other in ["restate-server 1.6.9", "restate-server 1.70.0", "restate-server 2.0.0"] {
            assert_eq!(restate_fitness(&program(folder.path(), "other", other)), Fitness::Unfit(format!("it is {other}")));
        }
        assert!(matches!(restate_fitness(&folder.path().join("absent")), Fitness::Unfit(_)));
    }

    #[test]
    fn postgres_must_be_new_enough_and_have_pgvector() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let postgres = program(&bin, "postgres", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)");
        let reason = |fitness| if let Fitness::Unfit(reason) = fitness { reason } else { "fit".to_owned() };
        assert!(reason(postgres_fitness(&postgres)).contains("15.18"));
        program(&bin, "postgres", "postgres (PostgreSQL) 17beta1");
        assert!(reason(postgres_fitness(&postgres)).contains("initdb"));
        program(&bin, "initdb", "");
        assert!(reason(postgres_fitness(&postgres)).contains("pgvector"));
        let extensions = root.path().join("share/extension");
        fs::create_dir_all(&extensions).unwrap();
        fs::write(extensions.join("vector.control"), "").unwrap();
        if nix::unistd::geteuid().is_root() {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
            assert!(reason(postgres_fitness(&postgres)).contains("closed to others"));
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(postgres_fitness(&postgres), Fitness::Fit);
    }

    #[test]
    fn a_named_server_that_does_not_fit_is_an_error_that_names_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            ServerSettings { restate: Some(program(folder.path(), "restate-server", "restate-server 1.2.0")), ..Default::default() };
        let error = restate(&settings).unwrap_err().to_string();
        assert!(error.contains("1.2.0") && error.contains("[servers] restate") && error.contains("1.7"), "{error}");
    }
}
