//! Which peers a process asks for their locks. With few of them, all; with many, the next ones in the order of their ids,
//! round and round, so that each is watched by some and nobody asks for all. Who dies together with all that watch it is
//! found when those are gone, or when its lease is over.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// Peers that are asked for their locks by each process.
const WATCHED: usize = 4;

/// The peers that are watched now.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Nothing before the first look: all are.
    watched: Mutex<Option<Vec<Uuid>>>,
}

impl Watch {
    /// Peers that are asked at the next look; nothing means all.
    pub(super) fn watched(&self) -> Option<Vec<Uuid>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// These replicas were seen, of which `own` are of this process.
    pub(super) fn saw(&self, all: &[Uuid], own: &[Uuid]) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = next_ones(all, own);
    }
}

/// The peers that come next after this process's first replica; nothing if that is all of them.
fn next_ones(all: &[Uuid], own: &[Uuid]) -> Option<Vec<Uuid>> {
    let mut peers: Vec<Uuid> = all.iter().filter(|id| !own.contains(id)).copied().collect();
    if peers.len() <= WATCHED {
        return None;
    }
    peers.sort_unstable();
    let first = own.iter().min().copied().unwrap_or_default();
    let start = peers.partition_point(|id| *id < first);
    Some((0..WATCHED).map(|n| peers[(start + n) % peers.len()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_many_is_watched_by_as_many() {
        let all: Vec<Uuid> = (1..=20).map(Uuid::from_u128).collect();
        let mut watchers = vec![0; all.len()];
        for own in &all {
            let watched = next_ones(&all, &[*own]).unwrap();
            assert!(!watched.contains(own));
            for id in watched {
                watchers[all.iter().position(|other| *other == id).unwrap()] += 1;
            }
        }
        assert!(watchers.iter().all(|count| *count == WATCHED), "{watchers:?}");
        // A process that is about to join watches as well.
        assert_eq!(next_ones(&all, &[]).unwrap(), all[..WATCHED]);
    }

    #[test]
    fn few_are_all_watched() {
        let all: Vec<Uuid> = (1..=5).map(Uuid::from_u128).collect();
        assert_eq!(next_ones(&all, &all[..1]), None);
    }
}
