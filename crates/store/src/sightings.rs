//! When the processes of peers were there last, by their locks. Heartbeats come seldom, looks at the locks often, so this
//! tells how long a crash took to be noticed.
//!
//! It is what this process has seen itself. Without it, a peer was there last when its last heartbeat came.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Replicas, and the time of the store's clock at which each was there.
#[derive(Debug)]
pub(crate) struct Sightings<R, T>(Mutex<HashMap<R, T>>);

impl<R: Copy + Eq + Hash, T: Copy> Sightings<R, T> {
    /// A look that began at this time found these replicas there. Of those that it found `gone`, what was seen before is
    /// kept until they are removed; all others are forgotten.
    pub(crate) fn saw(&self, at: T, there: impl IntoIterator<Item = R>, gone: &[R]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|replica, _| gone.contains(replica));
        seen.extend(there.into_iter().map(|replica| (replica, at)));
    }

    /// When each of these was there last, if that was seen.
    pub(crate) fn of(&self, replicas: &[R]) -> Vec<Option<T>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        replicas.iter().map(|replica| seen.get(replica).copied()).collect()
    }
}

impl<R, T> Default for Sightings<R, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_was_there_until_the_last_look_that_found_it() {
        let sightings = Sightings::default();
        sightings.saw(1, ['a', 'b', 'c'], &[]);
        sightings.saw(2, ['a', 'd'], &['b']);
        assert_eq!(sightings.of(&['a', 'b', 'c', 'd', 'e']), [Some(2), Some(1), None, Some(2), None]);
        sightings.saw(3, [], &['b', 'd']);
        assert_eq!(sightings.of(&['a', 'b', 'd']), [None, Some(1), Some(2)]);
    }
}
