//! Meeting every call of a store before it is carried out, and again before its answer is given.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use regrow_protocol::{EntryKind, Epoch, ReplicaId, RunId, Seq, SessionId};
use regrow_store::{
    Accept, Accepted, Beat, Claimed, Control, Due, Error, Finish, Finished, Fired, Firing, Load, LogEntry,
    NewEntry, Over, Pruned, Reaped, Replica, Retention, RunView, Store, WriteError,
};

use crate::Intent;

/// A call of the store.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What is asked.
    pub intent: Intent,
    /// The replica that renews its lease, of a heartbeat.
    pub replica: Option<ReplicaId>,
    /// What is to be written, of an append.
    pub entries: &'a [NewEntry],
}

impl Call<'_> {
    fn of(intent: Intent) -> Self {
        Self { intent, replica: None, entries: &[] }
    }

    /// One of the entries that are to be written is of this kind.
    pub fn writes(&self, kind: EntryKind) -> bool {
        self.entries.iter().any(|entry| entry.kind == kind)
    }
}

/// What happens after a call was carried out and before its answer is given. An error is given in place of the answer,
/// which is lost.
pub type Afterwards = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Meets calls.
#[async_trait]
pub trait Intercept: Send + Sync + 'static {
    /// Meets a call before it is carried out. An error is given in its place: it is not carried out.
    async fn meet(&self, call: Call<'_>) -> Result<Option<Afterwards>, Error>;
}

#[async_trait]
impl<I: Intercept> Intercept for Arc<I> {
    async fn meet(&self, call: Call<'_>) -> Result<Option<Afterwards>, Error> {
        I::meet(self, call).await
    }
}

/// A store whose calls are met by `by`.
pub struct Intercepted<I> {
    below: Arc<dyn Store>,
    by: I,
}

impl<I: Intercept> Intercepted<I> {
    /// Meets the calls of `below`.
    pub fn new(below: Arc<dyn Store>, by: I) -> Self {
        Self { below, by }
    }

    async fn meet<T, E: From<Error>>(
        &self,
        call: Call<'_>,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let afterwards = self.by.meet(call).await?;
        let answer = work.await;
        if let Some(afterwards) = afterwards {
            afterwards.await?;
        }
        answer
    }
}

#[async_trait]
impl<I: Intercept> Over for Intercepted<I> {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        self.meet(Call::of(Intent::Join), self.below.join(replica)).await
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        self.meet(Call::of(Intent::Accept), self.below.accept(message)).await
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        self.meet(Call::of(Intent::Claim), self.below.claim(replica, most)).await
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        // Who loses the answer does not learn of the new head either.
        let mut advanced = claimed.clone();
        let call = Call { entries, ..Call::of(Intent::Append) };
        let control = self.meet(call, self.below.append(&mut advanced, entries, context_base)).await?;
        *claimed = advanced;
        Ok(control)
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        self.meet(Call::of(Intent::Finish), self.below.finish(claimed, finish)).await
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.meet(Call::of(Intent::Release), self.below.release(claimed)).await
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        let call = Call { replica: Some(replica), ..Call::of(Intent::Heartbeat) };
        self.meet(call, self.below.heartbeat(replica)).await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        self.meet(Call::of(Intent::Disown), self.below.disown(replica, leases)).await
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        self.meet(Call::of(Intent::Drain), self.below.drain(replica)).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        self.meet(Call::of(Intent::Leave), self.below.leave(replica)).await
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        self.meet(Call::of(Intent::Reap), self.below.reap()).await
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.meet(Call::of(Intent::Abort), self.below.abort(run)).await
    }

    async fn due_schedules(&self, limit: usize) -> Result<Due, Error> {
        self.meet(Call::of(Intent::DueSchedules), self.below.due_schedules(limit)).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Fired, Error> {
        self.meet(Call::of(Intent::Fire), self.below.fire(firing)).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.meet(Call::of(Intent::FindRun), self.below.find_run(run)).await
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        self.meet(Call::of(Intent::ReadLog), self.below.read_log(session, after, limit)).await
    }

    async fn load(&self) -> Result<Load, Error> {
        self.meet(Call::of(Intent::Load), self.below.load()).await
    }

    async fn hold(&self, name: &str, replica: ReplicaId, ttl: Duration) -> Result<Option<Epoch>, Error> {
        self.meet(Call::of(Intent::Hold), self.below.hold(name, replica, ttl)).await
    }

    async fn let_go(&self, name: &str, replica: ReplicaId) -> Result<(), Error> {
        self.meet(Call::of(Intent::LetGo), self.below.let_go(name, replica)).await
    }

    async fn prune(&self, policy: &Retention, most: usize) -> Result<Pruned, Error> {
        self.meet(Call::of(Intent::Prune), self.below.prune(policy, most)).await
    }
}
