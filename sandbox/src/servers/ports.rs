//! Free ports on loopback, remembered in the data folder so that addresses stay the same from one start to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::SandboxError;

/// Below the ports that systems give to outgoing connections (32768 and up on Linux, 49152 and up on macOS), so that nobody is given one by
/// chance between our look and the server's start.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 200;

/// Given out by this process already; several stacks may start at once.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// The remembered ports of one folder.
#[derive(Debug)]
pub(crate) struct Ports {
    path: PathBuf,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Reads what `<folder>/run/<name>.ports.json` remembers; nothing when it is missing or unreadable.
    pub(crate) fn load(folder: &Path, name: &str) -> Self {
        let path = folder.join("run").join(format!("{name}.ports.json"));
        let known = fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        Self { path, known }
    }

    /// The port for `role`: the one asked for, else the remembered one when it is free, else a new one.
    ///
    /// # Errors
    /// When the port asked for is in use, or none is free.
    pub(crate) fn choose(&mut self, server: &'static str, role: &str, wanted: Option<u16>) -> Result<u16, SandboxError> {
        let port = match wanted {
            Some(port) if is_free(port) => port,
            Some(port) => return Err(SandboxError::PortTaken { port, server }),
            None => match self.known.get(role) {
                Some(&port) if is_free(port) => port,
                _ => find_free(server)?,
            },
        };
        self.known.insert(role.to_owned(), port);
        Ok(port)
    }

    /// Forgets everything, after a server found a port taken all the same.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// Remembers the chosen ports for the next start.
    pub(crate) fn save(&self) -> Result<(), SandboxError> {
        let json = serde_json::to_vec(&self.known).map_err(|error| SandboxError::at(&self.path)(error.into()))?;
        fs::write(&self.path, json).map_err(SandboxError::at(&self.path))
    }
}

/// Whether nobody listens there.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn find_free(server: &'static str) -> Result<u16, SandboxError> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES {
        let port = rand::random_range(RANGE);
        if is_free(port) && given.insert(port) {
            return Ok(port);
        }
    }
    Err(SandboxError::NoFreePort { server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_while_it_is_free_and_replaced_when_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        let mut ports = Ports::load(folder.path(), "server");
        let first = ports.choose("server", "main", None).unwrap();
        ports.save().unwrap();
        let mut again = Ports::load(folder.path(), "server");
        assert_eq!(again.choose("server", "main", None).unwrap(), first);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(again.choose("server", "main", None).unwrap(), first);
        let error = again.choose("server", "main", Some(first)).unwrap_err();
        assert!(matches!(error, SandboxError::PortTaken { port, .. } if port == first), "{error}");
        drop(taken);
        assert_eq!(again.choose("server", "main", Some(first)).unwrap(), first);
    }
}
