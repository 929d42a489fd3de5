//! A store that is made of another one: whatever a layer does not touch goes straight through.

use std::sync::Arc;
use std::time::Duration;

use crate::{
    Accept, Accepted, Beat, Claimed, Control, Due, Error, Examination, Finish, Finished, Fired, Firing, Hint,
    Load, LogEntry, NewEntry, Pruned, Reaped, Replica, ReplicaView, Reset, Retention, RunView, RunningView,
    Schedule, ScheduleView, SessionView, Store, WriteError,
};
use async_trait::async_trait;
use regrow_protocol::{Epoch, ReplicaId, RunId, ScheduleId, Seq, SessionId};
use tokio::sync::broadcast;

/// What lies over another store: each method passes its call on unless it is overridden. See [`Store`] for what the
/// methods promise when nothing goes wrong.
#[async_trait]
#[expect(missing_docs, reason = "the methods are those of `Store`")]
pub trait Over: Send + Sync + 'static {
    /// The store below.
    fn below(&self) -> &dyn Store;

    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        self.below().join(replica).await
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        self.below().accept(message).await
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        self.below().claim(replica, most).await
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        self.below().append(claimed, entries, context_base).await
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        self.below().finish(claimed, finish).await
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.below().release(claimed).await
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        self.below().heartbeat(replica).await
    }

    async fn try_commit(&self) -> Result<(), Error> {
        self.below().try_commit().await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        self.below().disown(replica, leases).await
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        self.below().drain(replica).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        self.below().leave(replica).await
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        self.below().reap().await
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.below().abort(run).await
    }

    async fn reset(&self, session: SessionId) -> Result<Reset, Error> {
        self.below().reset(session).await
    }

    async fn put_schedule(&self, schedule: &Schedule, replaces: Option<i64>) -> Result<Option<i64>, Error> {
        self.below().put_schedule(schedule, replaces).await
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<bool, Error> {
        self.below().remove_schedule(id).await
    }

    async fn list_schedules(&self) -> Result<Vec<ScheduleView>, Error> {
        self.below().list_schedules().await
    }

    async fn due_schedules(&self, limit: usize) -> Result<Due, Error> {
        self.below().due_schedules(limit).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Fired, Error> {
        self.below().fire(firing).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.below().find_run(run).await
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        self.below().read_log(session, after, limit).await
    }

    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        self.below().list_sessions(limit).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error> {
        self.below().find_session(session).await
    }

    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error> {
        self.below().list_runs(session, limit).await
    }

    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error> {
        self.below().list_replicas().await
    }

    async fn list_running(
        &self,
        replica: Option<ReplicaId>,
        limit: usize,
    ) -> Result<Vec<RunningView>, Error> {
        self.below().list_running(replica, limit).await
    }

    async fn load(&self) -> Result<Load, Error> {
        self.below().load().await
    }

    async fn hold(&self, name: &str, replica: ReplicaId, ttl: Duration) -> Result<Option<Epoch>, Error> {
        self.below().hold(name, replica, ttl).await
    }

    async fn let_go(&self, name: &str, replica: ReplicaId) -> Result<(), Error> {
        self.below().let_go(name, replica).await
    }

    async fn prune(&self, policy: &Retention, most: usize) -> Result<Pruned, Error> {
        self.below().prune(policy, most).await
    }

    async fn prunable(&self, policy: &Retention) -> Result<Pruned, Error> {
        self.below().prunable(policy).await
    }

    async fn examine(&self, deep: bool) -> Result<Examination, Error> {
        self.below().examine(deep).await
    }
}

/// A store made of what lies over another one.
#[derive(Debug)]
pub struct Layer<O>(pub O);

impl<O: Over> Layer<O> {
    /// The layer as the rest of the program sees a store.
    pub fn store(over: O) -> Arc<dyn Store> {
        Arc::new(Self(over))
    }
}

#[async_trait]
impl<O: Over> Store for Layer<O> {
    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        self.0.join(replica).await
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        self.0.accept(message).await
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        self.0.claim(replica, most).await
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        self.0.append(claimed, entries, context_base).await
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        self.0.finish(claimed, finish).await
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.0.release(claimed).await
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        self.0.heartbeat(replica).await
    }

    async fn try_commit(&self) -> Result<(), Error> {
        self.0.try_commit().await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        self.0.disown(replica, leases).await
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        self.0.drain(replica).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        self.0.leave(replica).await
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        self.0.reap().await
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.0.abort(run).await
    }

    async fn reset(&self, session: SessionId) -> Result<Reset, Error> {
        self.0.reset(session).await
    }

    async fn put_schedule(&self, schedule: &Schedule, replaces: Option<i64>) -> Result<Option<i64>, Error> {
        self.0.put_schedule(schedule, replaces).await
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<bool, Error> {
        self.0.remove_schedule(id).await
    }

    async fn list_schedules(&self) -> Result<Vec<ScheduleView>, Error> {
        self.0.list_schedules().await
    }

    async fn due_schedules(&self, limit: usize) -> Result<Due, Error> {
        self.0.due_schedules(limit).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Fired, Error> {
        self.0.fire(firing).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.0.find_run(run).await
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        self.0.read_log(session, after, limit).await
    }

    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        self.0.list_sessions(limit).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error> {
        self.0.find_session(session).await
    }

    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error> {
        self.0.list_runs(session, limit).await
    }

    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error> {
        self.0.list_replicas().await
    }

    async fn list_running(
        &self,
        replica: Option<ReplicaId>,
        limit: usize,
    ) -> Result<Vec<RunningView>, Error> {
        self.0.list_running(replica, limit).await
    }

    async fn load(&self) -> Result<Load, Error> {
        self.0.load().await
    }

    async fn hold(&self, name: &str, replica: ReplicaId, ttl: Duration) -> Result<Option<Epoch>, Error> {
        self.0.hold(name, replica, ttl).await
    }

    async fn let_go(&self, name: &str, replica: ReplicaId) -> Result<(), Error> {
        self.0.let_go(name, replica).await
    }

    async fn prune(&self, policy: &Retention, most: usize) -> Result<Pruned, Error> {
        self.0.prune(policy, most).await
    }

    async fn prunable(&self, policy: &Retention) -> Result<Pruned, Error> {
        self.0.prunable(policy).await
    }

    async fn examine(&self, deep: bool) -> Result<Examination, Error> {
        self.0.examine(deep).await
    }

    fn is_shared_across_machines(&self) -> bool {
        self.0.below().is_shared_across_machines()
    }

    fn cluster_secret(&self) -> &str {
        self.0.below().cluster_secret()
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.0.below().hints()
    }
}
