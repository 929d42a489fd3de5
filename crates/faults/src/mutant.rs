//! Stores that are wrong in one way each, so that whatever judges a store can be seen to fail.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use regrow_protocol::{ReplicaId, Seq, SessionId};
use regrow_store::{
    Accept, Accepted, Beat, Claimed, Control, Error, Finish, Finished, Layer, LogEntry, NewEntry, Over,
    Reaped, Replica, RunState, Store, WriteError,
};

/// How late a message is written that was acknowledged early.
const LATE: Duration = Duration::from_millis(150);

/// How many leases are claimed to get at one.
const MANY: usize = 64;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Forgets keys.
    NoDedupe,
    /// Acknowledges messages, and does not write them.
    ForgetsMessages,
    /// Acknowledges messages before they are written.
    AcksEarly,
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
    /// Lets zombies write: a lease that is gone is taken back from whoever has it.
    NoFence,
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
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::NoDedupe,
        Self::ForgetsMessages,
        Self::AcksEarly,
        Self::RefusesAndKeeps,
        Self::ForgetsEntries,
        Self::WritesTwice,
        Self::ForgetsEnds,
        Self::SwallowsFences,
        Self::NoFence,
        Self::NeverReaps,
        Self::SkipsEntries,
        Self::ClaimsTwice,
        Self::IgnoresDrain,
        Self::ListsNothing,
        Self::HidesDeath,
        Self::HidesAborts,
    ];

    /// The store below, broken.
    pub fn over(self, below: Arc<dyn Store>) -> Arc<dyn Store> {
        Layer::store(Broken { mutant: self, below, handed: Mutex::default() })
    }
}

impl std::str::FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
        found.ok_or_else(|| format!("there is no mutant `{name}`; there are {:?}", Self::ALL))
    }
}

struct Broken {
    mutant: Mutant,
    below: Arc<dyn Store>,
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

    /// The answer to a message that is not written, at least not yet.
    async fn acknowledge(&self, message: &Accept) -> Result<Accepted, Error> {
        let view = self.below.find_session(SessionId::of(&message.session)).await?;
        Ok(Accepted::New { seq: view.map_or(1, |view| view.messages + 1), claimed: None })
    }

    /// Takes the lease of a session from whoever has it, whatever it does now, as if nobody checked whose it is. `None` if
    /// it does nothing.
    async fn take_back(&self, lost: &Claimed) -> Result<Option<Claimed>, WriteError> {
        let runs = self.below.list_runs(Some(lost.session()), MANY).await?;
        let driven = runs.into_iter().find_map(|run| match run.state {
            RunState::Running { replica, epoch, .. } => Some((replica, epoch)),
            _ => None,
        });
        if let Some((replica, epoch)) = driven {
            self.below.disown(replica, &[(lost.session(), epoch)]).await?;
        }
        let thief = Replica {
            id: ReplicaId::new(),
            address: String::new(),
            version: "thief".to_owned(),
            slots: 0,
            lease: Duration::from_secs(60),
        };
        self.below.join(&thief).await?;
        let mut taken = None;
        for claimed in self.below.claim(thief.id, MANY).await? {
            if claimed.session() == lost.session() {
                taken = Some(claimed);
            } else {
                self.below.release(&claimed).await?;
            }
        }
        Ok(taken)
    }
}

#[async_trait]
impl Over for Broken {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn accept(&self, mut message: Accept) -> Result<Accepted, Error> {
        match self.mutant {
            Mutant::ForgetsMessages => return self.acknowledge(&message).await,
            Mutant::AcksEarly => {
                let answer = self.acknowledge(&message).await;
                let below = Arc::clone(&self.below);
                message.claim_for = None;
                tokio::spawn(async move {
                    tokio::time::sleep(LATE).await;
                    below.accept(message).await
                });
                return answer;
            }
            Mutant::NoDedupe => message.dedupe = None,
            _ => {}
        }
        let accepted = self.below.accept(message).await?;
        match accepted {
            Accepted::New { seq, .. } if self.is(Mutant::RefusesAndKeeps) && seq > 1 => {
                Ok(Accepted::Full { waiting: 1 })
            }
            accepted => Ok(accepted),
        }
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        let mut claimed = self.below.claim(replica, most).await?;
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
            return self.below.append(claimed, &[], None).await;
        }
        let mut answer = self.below.append(claimed, entries, context_base).await;
        if self.is(Mutant::WritesTwice) && answer.is_ok() {
            return self.below.append(claimed, entries, context_base).await;
        }
        if self.is(Mutant::NoFence)
            && matches!(answer, Err(WriteError::Fenced))
            && let Some(taken) = self.take_back(claimed).await?
        {
            *claimed = taken;
            answer = self.below.append(claimed, entries, context_base).await;
        }
        let hidden = |control: Control| Control { abort: control.abort && !self.is(Mutant::HidesAborts) };
        self.fence(answer.map(hidden), Control::default())
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        if self.is(Mutant::ForgetsEnds) {
            return Ok(Finished { next: None });
        }
        let answer = self.below.finish(claimed, finish).await;
        if self.is(Mutant::NoFence)
            && matches!(answer, Err(WriteError::Fenced))
            && let Some(taken) = self.take_back(claimed).await?
        {
            return self.below.finish(&taken, finish).await;
        }
        self.fence(answer, Finished { next: None })
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.fence(self.below.release(claimed).await, ())
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        let beat = self.below.heartbeat(replica).await?;
        match beat {
            Beat::Alive { .. } if self.is(Mutant::ListsNothing) => Ok(Beat::Alive { lanes: Vec::new() }),
            Beat::Gone if self.is(Mutant::HidesDeath) => Ok(Beat::Alive { lanes: Vec::new() }),
            beat => Ok(beat),
        }
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        if self.is(Mutant::IgnoresDrain) { Ok(()) } else { self.below.drain(replica).await }
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        if self.is(Mutant::NeverReaps) { Ok(Reaped::default()) } else { self.below.reap().await }
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        let mut log = self.below.read_log(session, after, limit).await?;
        if self.is(Mutant::SkipsEntries) && log.len() > 1 {
            log.remove(1);
        }
        Ok(log)
    }
}
