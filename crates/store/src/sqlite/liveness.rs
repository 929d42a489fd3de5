//! Who lives, by locks of the operating system.
//!
//! Each replica holds a lock on a file of its own. The kernel frees it when the process ends, however it ends, so a peer
//! that can take the lock knows at once that its holder is dead. A process that merely hangs keeps its lock; its lease
//! runs out instead.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use regrow_protocol::ReplicaId;

use crate::Error;

/// The suffix of a replica's lock file.
const LOCK: &str = "lock";

/// Where the replicas of a store keep their files.
pub(super) fn directory(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".replicas");
    PathBuf::from(name)
}

/// The locks that this process holds. Clones share them.
#[derive(Clone)]
pub(super) struct Liveness {
    directory: PathBuf,
    held: Arc<Mutex<HashMap<ReplicaId, File>>>,
}

impl Liveness {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, held: Arc::default() }
    }

    /// Takes the lock of a replica of this process, once. Must come before the replica is made known.
    pub(super) fn hold(&self, replica: ReplicaId) -> Result<(), Error> {
        if self.holds(replica) {
            return Ok(());
        }
        let path = self.path(replica);
        let aside = path.with_extension("locking");
        // Locked under another name first: a peer that finds the file must not find it free.
        let take = || -> std::io::Result<File> {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&aside)?;
            file.try_lock().map_err(std::io::Error::from)?;
            std::fs::rename(&aside, &path)?;
            Ok(file)
        };
        let file = take().map_err(|e| Error::Unavailable(format!("cannot lock {}: {e}", path.display())))?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(replica, file);
        Ok(())
    }

    /// Gives the lock back.
    pub(super) fn let_go(&self, replica: ReplicaId) {
        let file = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&replica);
        if file.is_some() {
            let _ = std::fs::remove_file(self.path(replica));
        }
    }

    /// Replicas of other processes: those whose lock is free, which are dead, and all others.
    pub(super) fn look(&self) -> (Vec<ReplicaId>, Vec<ReplicaId>) {
        self.peers().partition(|replica| self.is_free(*replica))
    }

    /// Replicas of other processes, dead or alive.
    fn peers(&self) -> impl Iterator<Item = ReplicaId> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let replicas = names.filter_map(|name| ReplicaId::from_str(name.strip_suffix(".lock")?).ok());
        replicas.filter(|replica| !self.holds(*replica))
    }

    /// The replica of another process whose lock `holds` says is held as asked; it is given the lock's file.
    pub(super) fn find(&self, holds: impl Fn(&Path) -> bool) -> Option<ReplicaId> {
        self.peers().find(|replica| holds(&self.path(*replica)))
    }

    /// Removes what a dead replica left behind.
    pub(super) fn bury(&self, replica: ReplicaId) {
        let _ = std::fs::remove_file(self.path(replica));
        let _ = std::fs::remove_file(self.path(replica).with_extension("sock"));
    }

    /// Whether the replica's death would be seen by its lock; not if somebody has removed the file.
    pub(super) fn of(&self, replica: ReplicaId) -> crate::Liveness {
        if self.path(replica).exists() { crate::Liveness::Lock } else { crate::Liveness::Heartbeat }
    }

    fn holds(&self, replica: ReplicaId) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&replica)
    }

    fn is_free(&self, replica: ReplicaId) -> bool {
        File::open(self.path(replica)).is_ok_and(|file| file.try_lock().is_ok())
    }

    fn path(&self, replica: ReplicaId) -> PathBuf {
        self.directory.join(format!("{replica}.{LOCK}"))
    }
}
