//! One change of a file at a time, in this process: `edit` reads, computes and replaces, and two edits of one file
//! must not each start from the same original.
//!
//! A fixed table of locks instead of one per path: it is bounded and needs no clean-up, and two files that share a
//! lock only wait some milliseconds for each other. The locks belong to the process, not to a toolbox, because two
//! toolboxes may share a workspace. They are taken inside the blocking work, so that a call that was dropped keeps
//! its lock until its work has ended.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many files can be changed at the same time, at most.
const LOCKS: usize = 64;

static TABLE: [Mutex<()>; LOCKS] = [const { Mutex::new(()) }; LOCKS];

/// Waits until no other call changes the file at `path` (its real path), and keeps others away while the guard lives.
pub(crate) fn lock(path: &Path) -> MutexGuard<'static, ()> {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let slot = (hasher.finish() % LOCKS as u64) as usize;
    // The locks guard no data, so a holder that panicked left nothing broken behind.
    TABLE[slot].lock().unwrap_or_else(PoisonError::into_inner)
}
