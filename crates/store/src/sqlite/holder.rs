//! Who holds the file's write lock, and what to do if that process stands still.
//!
//! A process that is stopped (SIGSTOP, a suspended job) in the middle of a transaction keeps SQLite's write lock, and
//! nobody can write until it goes on. Its lease runs out meanwhile, but to take over, somebody must write. So whoever
//! waits looks who holds the lock; if that is a stopped replica of this store whose lease is over, it is killed: the kernel
//! frees its locks, and it is taken over from like any other dead replica.
//!
//! Only Linux tells who holds a lock, and only within one process namespace. Elsewhere writers wait until the holder goes
//! on, and answer that the store is unavailable.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use regrow_protocol::ReplicaId;
use rustix::process::{Pid, Signal, kill_process};

use super::liveness::Liveness;

/// The byte of the shared-memory file that SQLite locks for writing (`WAL_WRITE_LOCK` of its file format).
const WRITE_LOCK: u64 = 120;

/// Where the locks of a store are.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    shared_memory: PathBuf,
}

impl Holder {
    pub(super) fn new(database: &Path) -> Self {
        // SQLite puts its files beside the real one.
        let database = database.canonicalize().unwrap_or_else(|_| database.to_owned());
        let mut name = database.into_os_string();
        name.push("-shm");
        Self { shared_memory: name.into() }
    }

    /// The process that holds the write lock and stands still, if there is one, and its replica. That it is this replica's
    /// is taken from the system, which says that it holds the replica's lock as well; an id of a process that somebody
    /// wrote down may be another process's by now, or in this process namespace.
    pub(super) fn standing_still(&self, liveness: &Liveness) -> Option<(u32, ReplicaId)> {
        let locks = Locks::read()?;
        let pid = locks.holders("POSIX", WRITE_LOCK, &self.shared_memory).find(|pid| stands_still(*pid))?;
        let is_its = |lock: &Path| locks.holders("FLOCK", 0, lock).any(|holder| holder == pid);
        Some((pid, liveness.find(is_its)?))
    }
}

/// The locks of all processes, as `/proc/locks` lists them.
struct Locks(String);

impl Locks {
    fn read() -> Option<Self> {
        fs::read_to_string("/proc/locks").ok().map(Self)
    }

    /// The processes with a lock of this kind that lets nobody else have the byte at `at` of `file`. There is one, unless
    /// files of several devices have the same number; the devices are not compared, because some file systems tell
    /// another one here than for the file.
    fn holders(&self, kind: &'static str, at: u64, file: &Path) -> impl Iterator<Item = u32> {
        let inode = fs::metadata(file).ok().map(|file| file.ino());
        self.0.lines().filter_map(move |line| holder_in(line, kind, at, inode?))
    }
}

fn stands_still(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_stopped(&stat))
}

/// Kills the stopped process `pid` of a replica whose lease is over.
pub(super) fn end(pid: u32, replica: ReplicaId) {
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    match kill_process(process, Signal::KILL) {
        Ok(()) => {
            tracing::warn!(pid, replica.id = %replica, "ended a replica that stood still with the write lock")
        }
        Err(error) => {
            tracing::warn!(pid, %error, "a process that stands still holds the write lock and cannot be ended");
        }
    }
}

/// The process that holds such a lock of the file with this inode, if the line of `/proc/locks` is about that:
/// `1: POSIX  ADVISORY  WRITE 4711 fe:00:262147 120 120`.
fn holder_in(line: &str, kind: &str, at: u64, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    // A line of somebody who waits has an arrow before its kind.
    let (its_kind, _, mode) = (words.next()?, words.next()?, words.next()?);
    let (pid, file, from, until) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let covers =
        from.parse::<u64>().ok()? <= at && until.parse::<u64>().map_or(until == "EOF", |until| until >= at);
    let is_its = file.rsplit(':').next()?.parse::<u64>().ok()? == inode;
    (its_kind == kind && mode == "WRITE" && covers && is_its).then(|| pid.parse().ok())?
}

/// Whether `/proc/<pid>/stat` says that the process is stopped. One that a debugger holds is left alone.
fn is_stopped(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let held = "1: POSIX  ADVISORY  WRITE 4711 fe:00:262147 120 120";
        let holder = |line: &str, inode| holder_in(line, "POSIX", WRITE_LOCK, inode);
        assert_eq!(holder(held, 262_147), Some(4711));
        assert_eq!(holder(held, 7), None);
        for other in [
            "1: -> POSIX  ADVISORY  WRITE 4711 fe:00:262147 120 120",
            "1: POSIX  ADVISORY  READ 4711 fe:00:262147 120 120",
            "1: POSIX  ADVISORY  WRITE 4711 fe:00:262147 121 127",
            "1: FLOCK  ADVISORY  WRITE 4711 fe:00:262147 0 EOF",
            "",
        ] {
            assert_eq!(holder(other, 262_147), None, "{other}");
        }
        let replica = "1: FLOCK  ADVISORY  WRITE 4711 fe:00:262148 0 EOF";
        assert_eq!(holder_in(replica, "FLOCK", 0, 262_148), Some(4711));
    }

    #[test]
    fn tells_who_stands_still() {
        assert!(is_stopped("7 (a ) b) T 1 7 7 0"));
        assert!(
            !is_stopped("7 (regrow) S 1 7 7 0") && !is_stopped("7 (regrow) t 1 7 7 0") && !is_stopped("")
        );
    }
}
