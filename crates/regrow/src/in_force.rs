//! Which configuration a running replica goes by, for `regrow config diff` on the same machine or in the same container.
//!
//! Each replica keeps a file in the state directory that holds digests of the values in force, and holds a lock on it for as
//! long as it lives, so that nobody takes what a dead one left behind for the truth. Without the file (the directory cannot
//! be written) nothing else is missing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Keys;
use crate::state::create_private;

/// What is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InForce {
    /// The machine or container. Several may share a state directory.
    host: String,
    /// Where the replica serves.
    pub(crate) address: SocketAddr,
    /// The process.
    pub(crate) pid: u32,
    /// What it goes by.
    pub(crate) keys: Keys,
}

/// The file of a replica that runs. It goes with this value.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    locked: Option<File>,
}

impl Kept {
    /// The file of the replica that serves at `address`; it does not exist yet. What dead replicas of this host left is
    /// removed.
    pub(crate) fn new(state_dir: &Path, address: SocketAddr) -> Self {
        for (path, _) in files(state_dir).into_iter().filter(|(_, file)| !is_locked(file)) {
            let _ = std::fs::remove_file(path);
        }
        let path = directory(state_dir).join(format!("{}-{}.json", host(), address.port()));
        Self { path, locked: None }
    }

    /// Says what is in force from now on. Readers see the file of before or this one, and each of them locked.
    pub(crate) fn tell(&mut self, address: SocketAddr, keys: &Keys) -> anyhow::Result<()> {
        let told = InForce { host: host(), address, pid: std::process::id(), keys: keys.clone() };
        if let Some(directory) = self.path.parent() {
            create_private(directory)?;
        }
        let aside = self.path.with_extension("writing");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(serde_json::to_string(&told)?.as_bytes())?;
        // Where locks are not supported, every file counts as that of a replica that lives.
        let _ = file.try_lock();
        std::fs::rename(&aside, &self.path)?;
        self.locked = Some(file);
        Ok(())
    }

    /// What a clean end removes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What the replicas of this host go by that live on this state directory.
pub(crate) fn told(state_dir: &Path) -> Vec<InForce> {
    let living = files(state_dir).into_iter().filter(|(_, file)| is_locked(file));
    let told = living.filter_map(|(_, mut file)| {
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        serde_json::from_str::<InForce>(&text).ok()
    });
    told.filter(|told| told.host == host()).collect()
}

fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("in-force")
}

/// The files of this host.
fn files(state_dir: &Path) -> Vec<(PathBuf, File)> {
    let prefix = format!("{}-", host());
    let entries = std::fs::read_dir(directory(state_dir)).into_iter().flatten().flatten();
    let own = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".json")
    });
    own.filter_map(|entry| Some((entry.path(), File::open(entry.path()).ok()?))).collect()
}

/// Somebody who lives holds it.
fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secrets};

    #[test]
    fn what_a_dead_replica_left_is_not_told() {
        let directory = tempfile::tempdir().unwrap();
        let keys = |salt: &str| Keys::of(&Config::default(), &Secrets::new(), salt);
        let address = SocketAddr::from(([127, 0, 0, 1], 18789));
        let mut kept = Kept::new(directory.path(), address);
        for salt in ["first", "second"] {
            kept.tell(address, &keys(salt)).unwrap();
            let told = told(directory.path());
            assert_eq!((told.len(), told[0].address, &told[0].keys), (1, address, &keys(salt)));
        }
        let path = kept.path().to_owned();
        drop(kept);
        assert!(path.exists() && told(directory.path()).is_empty());
        Kept::new(directory.path(), address);
        assert!(!path.exists());
    }
}
