//! Replicas as the store knows them: who is alive, what each owns, how much there is to do.

use std::time::Duration;

use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId};

/// A replica that joins.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Its id, new at each start and at each rejoin.
    pub id: ReplicaId,
    /// Where its peers reach it over HTTP, such as `127.0.0.1:18789`; empty if it serves nothing.
    pub address: String,
    /// Its release.
    pub version: String,
    /// How many runs it drives at once.
    pub slots: u32,
    /// How long it stays alive without a heartbeat.
    pub lease: Duration,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The lease is renewed. These are the sessions that the store says this replica owns.
    Alive {
        /// Every session with a lease of this replica.
        lanes: Vec<OwnedLane>,
    },
    /// The store does not know this replica (any more): its sessions belong to others. It must drop every run and join
    /// again under a new id.
    Gone,
}

/// A session that the store says a replica owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnedLane {
    /// The session.
    pub session: SessionId,
    /// The lease's fencing token.
    pub epoch: Epoch,
    /// The run.
    pub run: RunId,
    /// Somebody asked to abort the run.
    pub abort: bool,
}

/// What a look for dead replicas found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Replicas that were removed.
    pub replicas: Vec<ReplicaId>,
    /// Sessions that became ready again.
    pub lanes: u64,
}

/// How the store notices that a replica has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// The store holds something that ends with the replica's process: its death is seen at once.
    Lock,
    /// There is nothing but its heartbeats: its death is seen when its lease runs out.
    Heartbeat,
}

impl Liveness {
    /// The word for people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// A replica, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaView {
    /// Its id.
    pub id: ReplicaId,
    /// Where its peers reach it.
    pub address: String,
    /// Its release.
    pub version: String,
    /// When it joined: milliseconds since 1970, by the store's clock.
    pub joined_at: i64,
    /// How long it stays alive without a heartbeat.
    pub lease: Duration,
    /// How much of its lease is left, by the store's clock; nothing if it has run out and nobody has noticed yet. Its last
    /// heartbeat was the rest of the lease ago.
    pub expires_in: Duration,
    /// How its death would be noticed.
    pub liveness: Liveness,
    /// How many runs it may drive at once.
    pub slots: u32,
    /// How many sessions it owns.
    pub running: u32,
    /// It hands its sessions over and takes no new ones.
    pub draining: bool,
}

/// How much there is to do, over all replicas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Sessions that wait for a replica.
    pub ready: u64,
    /// Sessions that a replica runs.
    pub running: u64,
    /// How long the oldest ready session has waited.
    pub oldest_ready: Duration,
}
