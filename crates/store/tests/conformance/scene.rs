//! The scene of a case: a store with a first process, and short words for what cases say often.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use regrow_protocol::{EntryKind, ReplicaId, RunId, Seq, SessionId, SessionKey};
use regrow_store::{
    Accept, Accepted, Claimed, Finish, LogEntry, NewEntry, Replica, RunStatus, RunView, SessionView, Store,
    WriteError,
};

use super::harness::Harness;

/// Longer than any test: leases run out only where a test says so.
pub(crate) const LEASE: Duration = Duration::from_secs(86_400);

/// A store and the process that most of a case happens in.
pub(crate) struct Scene<H> {
    pub(crate) harness: H,
    pub(crate) store: Arc<dyn Store>,
}

impl<H: Harness> Scene<H> {
    pub(crate) async fn open() -> Self {
        let harness = H::open().await;
        let store = harness.replica_handle().await;
        Self { harness, store }
    }

    /// A living replica of the first process.
    pub(crate) async fn replica(&self) -> ReplicaId {
        joined(&*self.store).await
    }

    /// A living replica of another process.
    pub(crate) async fn elsewhere(&self) -> (Arc<dyn Store>, ReplicaId) {
        let store = self.harness.replica_handle().await;
        let replica = joined(&*store).await;
        (store, replica)
    }

    /// The replica hangs until its lease has run out and a peer has noticed.
    pub(crate) async fn outlive(&self, replica: ReplicaId) {
        self.harness.lapse(replica).await;
        self.store.reap().await.unwrap();
    }

    /// The lease of a new message in a session that is idle.
    pub(crate) async fn begin(&self, name: &str, replica: ReplicaId) -> Claimed {
        let message = Accept { claim_for: Some(replica), ..message(name) };
        accept(&*self.store, message).await.1.expect("an idle session is claimed at once")
    }

    /// Accepts a message that nobody claims yet, and returns its run.
    pub(crate) async fn queue(&self, name: &str) -> RunId {
        let message = message(name);
        let run = message.message;
        accept(&*self.store, message).await;
        run
    }

    /// Everything that a write to the session could have changed.
    pub(crate) async fn picture(&self, name: &str) -> (Option<SessionView>, Vec<LogEntry>, Vec<RunView>) {
        let session = id(name);
        let view = self.store.find_session(session).await.unwrap();
        let log = self.store.read_log(session, 0, usize::MAX).await.unwrap();
        (view, log, self.store.list_runs(Some(session), usize::MAX).await.unwrap())
    }
}

pub(crate) fn key(name: &str) -> SessionKey {
    format!("agent:main:{name}").parse().unwrap()
}

pub(crate) fn id(name: &str) -> SessionId {
    SessionId::of(&key(name))
}

/// A message without a key, for a session that takes many.
pub(crate) fn message(name: &str) -> Accept {
    Accept {
        session: key(name),
        message: RunId::new(),
        dedupe: None,
        fingerprint: 7,
        body: b"question".to_vec(),
        cap: 1_000,
        claim_for: None,
    }
}

pub(crate) fn keyed(name: &str, dedupe: &str) -> Accept {
    Accept { dedupe: Some(dedupe.to_owned()), ..message(name) }
}

pub(crate) fn replica() -> Replica {
    Replica {
        id: ReplicaId::new(),
        address: "127.0.0.1:1".to_owned(),
        version: "1".to_owned(),
        slots: 8,
        lease: LEASE,
    }
}

pub(crate) async fn joined(store: &dyn Store) -> ReplicaId {
    let replica = replica();
    store.join(&replica).await.unwrap();
    replica.id
}

/// Accepts what must be new.
pub(crate) async fn accept(store: &dyn Store, message: Accept) -> (Seq, Option<Claimed>) {
    match store.accept(message).await.unwrap() {
        Accepted::New { seq, claimed } => (seq, claimed.map(|claimed| *claimed)),
        other => panic!("not new: {other:?}"),
    }
}

/// Claims the one session that is ready.
pub(crate) async fn claim(store: &dyn Store, replica: ReplicaId) -> Claimed {
    let mut claimed = store.claim(replica, 10).await.unwrap();
    assert_eq!(claimed.len(), 1, "one session is ready");
    claimed.remove(0)
}

pub(crate) fn entry(kind: EntryKind, text: &str) -> NewEntry {
    NewEntry { kind, payload: text.as_bytes().to_vec() }
}

pub(crate) fn step(text: &str) -> NewEntry {
    entry(EntryKind::Assistant, text)
}

pub(crate) fn end(keep: bool) -> Finish {
    Finish {
        entries: vec![entry(EntryKind::Final, "answer")],
        status: RunStatus::Done,
        error: None,
        usage: "{}".to_owned(),
        keep,
    }
}

#[track_caller]
pub(crate) fn assert_fenced<T: Debug>(answer: &Result<T, WriteError>) {
    assert!(matches!(answer, Err(WriteError::Fenced)), "not fenced: {answer:?}");
}

/// What makes two grants the same grant.
pub(crate) fn grant(claimed: &Claimed) -> (SessionId, RunId, i64, Seq, Seq, Seq) {
    (claimed.session(), claimed.run, claimed.epoch().0, claimed.head(), claimed.run_base, claimed.message.seq)
}
