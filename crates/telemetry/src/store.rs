//! A layer over the store that counts what passes and how long it takes.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use regrow_protocol::{ReplicaId, RunId, Seq};
use regrow_store::{
    Accept, Accepted, Beat, Claimed, Control, Error, Finish, Finished, Load, NewEntry, Over, Reaped,
    RunStatus, RunView, Store, WriteError,
};

use crate::counts::Counts;
use crate::intents::{Intent, Intents};

/// The layer.
pub(crate) struct Measured {
    below: Arc<dyn Store>,
    counts: Arc<Counts>,
    intents: Intents,
}

impl Measured {
    pub(crate) fn new(below: Arc<dyn Store>, counts: Arc<Counts>) -> Self {
        let intents = Intents::of(&counts);
        Self { below, counts, intents }
    }

    /// Takes the time of a call.
    async fn time<T, E: Failed>(
        &self,
        intent: &Intent,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let answer = call.await;
        intent.seconds.observe(begun.elapsed().as_secs_f64());
        if let Err(error) = &answer {
            if error.is_fenced() { self.counts.fenced.inc() } else { intent.errors.inc() }
        }
        answer
    }
}

/// What an error means here.
trait Failed {
    /// The lease is gone: the store works.
    fn is_fenced(&self) -> bool;
}

impl Failed for Error {
    fn is_fenced(&self) -> bool {
        false
    }
}

impl Failed for WriteError {
    fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced)
    }
}

#[async_trait]
impl Over for Measured {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        let answer = self.time(&self.intents.accept, self.below.accept(message)).await?;
        match answer {
            Accepted::New { .. } => self.counts.accepted.inc(),
            Accepted::Duplicate { .. } => self.counts.duplicates.inc(),
            // Who asked counts the refusal.
            Accepted::Full { .. } => {}
        }
        Ok(answer)
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        let claimed = self.time(&self.intents.claim, self.below.claim(replica, most)).await?;
        let resumed = claimed.iter().filter(|claimed| claimed.attempt > 1).count();
        self.counts.resumed.inc_by(resumed as u64);
        for former in claimed.iter().filter_map(|claimed| claimed.former) {
            if let Some(stood_still) = former.stood_still {
                let seconds = self.counts.takeover_seconds.with_label_values(&[former.loss.as_str()]);
                seconds.observe(stood_still.as_secs_f64());
            }
        }
        Ok(claimed)
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        self.time(&self.intents.append, self.below.append(claimed, entries, context_base)).await
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        let answer = self.time(&self.intents.finish, self.below.finish(claimed, finish)).await?;
        let status = match finish.status {
            RunStatus::Done => "done",
            RunStatus::Failed => "failed",
            RunStatus::Aborted => "aborted",
        };
        self.counts.ended.with_label_values(&[status]).inc();
        Ok(answer)
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.time(&self.intents.release, self.below.release(claimed)).await
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        self.time(&self.intents.heartbeat, self.below.heartbeat(replica)).await
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        let reaped = self.time(&self.intents.reap, self.below.reap()).await?;
        self.counts.takeovers.inc_by(reaped.lanes);
        self.counts.lost_replicas.inc_by(reaped.replicas.len() as u64);
        Ok(reaped)
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.time(&self.intents.find_run, self.below.find_run(run)).await
    }

    async fn load(&self) -> Result<Load, Error> {
        self.time(&self.intents.load, self.below.load()).await
    }
}
