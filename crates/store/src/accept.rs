//! The intent to accept a message: what is asked, and the three possible answers.

use regrow_protocol::{ReplicaId, RunId, Seq, SessionKey};

use crate::Claimed;

/// A message that asks to be accepted into a session's inbox.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The session it belongs to; created if it does not exist.
    pub session: SessionKey,
    /// The message's own id, which becomes the id of the run that it opens.
    pub message: RunId,
    /// The caller's idempotency key. Within a session the same key is accepted once: it is remembered until its
    /// message was answered, and then for as long as [`Retention::keys`](crate::Retention::keys) says at least. Without
    /// one, only the same message is a duplicate.
    pub dedupe: Option<String>,
    /// A digest of what is asked, so that the same key with another question can be told apart.
    pub fingerprint: u64,
    /// The message, opaque to the store.
    pub body: Vec<u8>,
    /// The most messages of this session that may wait or run at once; one more is refused. With 0 only a duplicate is
    /// recognised, and nothing is written.
    pub cap: u32,
    /// The replica that will run the message at once if the session is idle. It must be alive and not draining, else
    /// the session becomes ready for whoever claims it first.
    pub claim_for: Option<ReplicaId>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Accepted {
    /// It is committed: it will be answered exactly once, whatever dies.
    New {
        /// Its position in the inbox.
        seq: Seq,
        /// The session's lease, if the caller asked for it and the session was idle.
        claimed: Option<Box<Claimed>>,
    },
    /// The same key or the same message was accepted before; nothing was written.
    Duplicate {
        /// The message that was accepted then.
        message: RunId,
        /// Its position in the inbox.
        seq: Seq,
        /// The digest of what was asked then.
        fingerprint: u64,
    },
    /// The session has as many messages as it may have; nothing was written.
    Full {
        /// How many wait or run.
        waiting: u32,
    },
}
