//! Stores that are wrong in one way each, so that the tests can be seen to fail.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use regrow_protocol::{Epoch, ReplicaId, RunId, Seq, SessionId};
use regrow_store::{
    Accept, Accepted, Beat, Claimed, Control, Error, Finish, Finished, Hint, Load, LogEntry, NewEntry,
    Reaped, Replica, ReplicaView, Reset, RunView, SessionView, Store, WriteError,
};
use tokio::sync::broadcast;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Forgets keys.
    NoDedupe,
    /// Acknowledges messages before they are written, and does not write them.
    ForgetsMessages,
    /// Says that the inbox is full after it has written the message.
    RefusesAndKeeps,
    /// Acknowledges entries that it does not write.
    ForgetsEntries,
    /// Writes every batch twice.
    WritesTwice,
    /// Acknowledges the end of runs and does not write it.
    ForgetsEnds,
    /// Tells zombies that they have written.
    SwallowsFences,
    /// Leaves the sessions of the dead where they are.
    NeverReaps,
    /// Loses an entry when it reads.
    SkipsEntries,
    /// Hands a lease to the next claimer as well.
    ClaimsTwice,
    /// Takes claims for draining replicas.
    IgnoresDrain,
    /// Lists no leases at a heartbeat.
    ListsNothing,
    /// Tells the reaped that they live.
    HidesDeath,
    /// Never tells a run that it is to be aborted.
    HidesAborts,
}

impl Mutant {
    pub(crate) fn over(self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Broken { mutant: self, inner, handed: Mutex::default() })
    }
}

struct Broken {
    mutant: Mutant,
    inner: Arc<dyn Store>,
    /// The lease that was granted last.
    handed: Mutex<Option<Claimed>>,
}

impl Broken {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == mutant
    }

    /// What a fenced writer is told.
    fn fence<T>(&self, answer: Result<T, WriteError>, wrong: T) -> Result<T, WriteError> {
        match answer {
            Err(WriteError::Fenced) if self.is(Mutant::SwallowsFences) => Ok(wrong),
            answer => answer,
        }
    }
}

#[async_trait]
impl Store for Broken {
    async fn accept(&self, mut message: Accept) -> Result<Accepted, Error> {
        if self.is(Mutant::ForgetsMessages) {
            let view = self.inner.find_session(SessionId::of(&message.session)).await?;
            return Ok(Accepted::New { seq: view.map_or(1, |view| view.messages + 1), claimed: None });
        }
        if self.is(Mutant::NoDedupe) {
            message.dedupe = None;
        }
        let accepted = self.inner.accept(message).await?;
        match accepted {
            Accepted::New { seq, .. } if self.is(Mutant::RefusesAndKeeps) && seq > 1 => {
                Ok(Accepted::Full { waiting: 1 })
            }
            accepted => Ok(accepted),
        }
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        let mut claimed = self.inner.claim(replica, most).await?;
        if self.is(Mutant::ClaimsTwice) {
            let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
            let again = handed.take();
            *handed = claimed.first().cloned();
            claimed.extend(again);
        }
        Ok(claimed)
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        if self.is(Mutant::ForgetsEntries) {
            return self.inner.append(claimed, &[], None).await;
        }
        let answer = self.inner.append(claimed, entries, context_base).await;
        if self.is(Mutant::WritesTwice) && answer.is_ok() {
            return self.inner.append(claimed, entries, context_base).await;
        }
        let hidden = |control: Control| Control { abort: control.abort && !self.is(Mutant::HidesAborts) };
        self.fence(answer.map(hidden), Control::default())
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        if self.is(Mutant::ForgetsEnds) {
            return Ok(Finished { next: None });
        }
        self.fence(self.inner.finish(claimed, finish).await, Finished { next: None })
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.fence(self.inner.release(claimed).await, ())
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        let beat = self.inner.heartbeat(replica).await?;
        match beat {
            Beat::Alive { .. } if self.is(Mutant::ListsNothing) => Ok(Beat::Alive { lanes: Vec::new() }),
            Beat::Gone if self.is(Mutant::HidesDeath) => Ok(Beat::Alive { lanes: Vec::new() }),
            beat => Ok(beat),
        }
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        if self.is(Mutant::IgnoresDrain) { Ok(()) } else { self.inner.drain(replica).await }
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        if self.is(Mutant::NeverReaps) { Ok(Reaped::default()) } else { self.inner.reap().await }
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        let mut log = self.inner.read_log(session, after, limit).await?;
        if self.is(Mutant::SkipsEntries) && log.len() > 1 {
            log.remove(1);
        }
        Ok(log)
    }

    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        self.inner.join(replica).await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        self.inner.disown(replica, leases).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        self.inner.leave(replica).await
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.inner.abort(run).await
    }

    async fn reset(&self, session: SessionId) -> Result<Reset, Error> {
        self.inner.reset(session).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.inner.find_run(run).await
    }

    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        self.inner.list_sessions(limit).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error> {
        self.inner.find_session(session).await
    }

    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error> {
        self.inner.list_runs(session, limit).await
    }

    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error> {
        self.inner.list_replicas().await
    }

    async fn load(&self) -> Result<Load, Error> {
        self.inner.load().await
    }

    fn cluster_secret(&self) -> &str {
        self.inner.cluster_secret()
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.inner.hints()
    }
}
