//! The storage boundary.

use std::time::Duration;

use async_trait::async_trait;
use regrow_protocol::{Epoch, ReplicaId, RunId, ScheduleId, Seq, SessionId};
use tokio::sync::broadcast;

use crate::{
    Accept, Accepted, Beat, Claimed, Control, Due, Error, Examination, Finish, Finished, Fired, Firing, Hint,
    Load, LogEntry, NewEntry, Pruned, Reaped, Replica, ReplicaView, Reset, Retention, RunView, RunningView,
    Schedule, ScheduleView, SessionView, WriteError,
};

/// All state that outlives a replica.
///
/// Every method that changes something is one transaction: when it has returned `Ok`, the change is durable; when it
/// has returned [`Error::Unavailable`] or was dropped, the change may or may not have happened, and repeating the call
/// is safe.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes a replica known and alive. Its death is noticed from now on.
    async fn join(&self, replica: &Replica) -> Result<(), Error>;

    /// Accepts a message once, or says why not. After `New`, the message will be answered exactly once.
    async fn accept(&self, message: Accept) -> Result<Accepted, Error>;

    /// Takes the leases of up to `most` ready sessions, those that wait longest first. A replica that is gone or
    /// draining gets none.
    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error>;

    /// Appends entries to the log and advances `claimed` past them. `context_base` moves the start of the context in
    /// the same transaction. Once it has returned, these steps are never executed again.
    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError>;

    /// Ends the run: last entries, record of the run, inbox advanced, lease kept or given up, all or nothing.
    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError>;

    /// Gives a lease up without having finished, so that another replica continues the run at once. This does not
    /// count as a failed attempt.
    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError>;

    /// Renews the replica's lease of life and returns what the store says it owns.
    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error>;

    /// Gives up these sessions of a replica: leases whose grant never reached it. Returns how many it held.
    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error>;

    /// Writes about as much as a large message takes, where messages are written, and takes it back. When it has returned
    /// `Ok`, work could be committed just now; a heartbeat that succeeds does not say that.
    async fn try_commit(&self) -> Result<(), Error>;

    /// From now on the replica gets no new sessions.
    async fn drain(&self, replica: ReplicaId) -> Result<(), Error>;

    /// Removes a replica; what it still owns becomes ready at once.
    async fn leave(&self, replica: ReplicaId) -> Result<(), Error>;

    /// Looks for replicas that have died and for leases whose owner does not exist; makes their sessions ready under a
    /// new epoch. Cheap when there is nothing to do.
    async fn reap(&self) -> Result<Reaped, Error>;

    /// Asks that a run be aborted. Returns where it stood, or nothing if it is unknown; an ended run stays as it is.
    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error>;

    /// Starts a session's conversation afresh. Nothing is deleted, but what is before may go by [`Store::prune`].
    async fn reset(&self, session: SessionId) -> Result<Reset, Error>;

    /// Creates a schedule or replaces the one of this id, and returns its revision. With `replaces`, only the one of
    /// that revision is replaced, and nothing is returned if it is not there any more.
    async fn put_schedule(&self, schedule: &Schedule, replaces: Option<i64>) -> Result<Option<i64>, Error>;

    /// Removes a schedule; it does not fire any more. True if it was there.
    async fn remove_schedule(&self, id: &ScheduleId) -> Result<bool, Error>;

    /// All schedules, in the order of their ids.
    async fn list_schedules(&self) -> Result<Vec<ScheduleView>, Error>;

    /// Schedules that are due, at most `limit`. Cheap when there is nothing to do.
    async fn due_schedules(&self, limit: usize) -> Result<Due, Error>;

    /// Accepts the message of a schedule and moves its plan on, all or nothing, or says why not. Of any number of
    /// attempts at one tick, by whichever replicas, one accepts its message.
    async fn fire(&self, firing: &Firing) -> Result<Fired, Error>;

    /// Where a run stands; nothing if it is unknown, or ended so long ago that its record was deleted.
    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error>;

    /// Entries of a log after `after`, in order, at most `limit`. The oldest of a log may have been deleted.
    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error>;

    /// Sessions, most recently changed first.
    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error>;

    /// One session.
    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error>;

    /// Runs, newest first.
    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error>;

    /// Replicas that the store believes alive.
    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error>;

    /// Runs that replicas drive now, of one replica or of all, those that began first before others.
    async fn list_running(&self, replica: Option<ReplicaId>, limit: usize)
    -> Result<Vec<RunningView>, Error>;

    /// How much there is to do.
    async fn load(&self) -> Result<Load, Error>;

    /// Takes or renews the lease `name`, which one replica of all holds at a time. `Some` if this replica holds it now:
    /// the same epoch as long as it has been renewed in time, a larger one each time it is taken. `None` if another one
    /// holds it, or if this one is not known or its lease of life has run out. A lease ends `ttl` after it was taken or
    /// renewed, by the store's clock, and when its replica is removed; it may end early if that clock is set forward, so
    /// whoever must not act beside the next holder compares epochs.
    async fn hold(&self, name: &str, replica: ReplicaId, ttl: Duration) -> Result<Option<Epoch>, Error>;

    /// Gives the lease `name` up, if this replica holds it.
    async fn let_go(&self, name: &str, replica: ReplicaId) -> Result<(), Error>;

    /// Deletes what is over and has been kept long enough, in one short transaction: at most `most` runs and entries, and
    /// perhaps one session's conversation, which goes as a whole or not at all. While `more` is true, asking again deletes
    /// more.
    ///
    /// Kept whatever its age: messages that are not answered, sessions that are not idle, the entries of a context, and
    /// of each session the newest ended run. As long as the record of a run is kept, so are its entries. Positions in
    /// logs and inboxes never change.
    async fn prune(&self, policy: &Retention, most: usize) -> Result<Pruned, Error>;

    /// What [`Store::prune`] would delete by and by. May take long.
    async fn prunable(&self, policy: &Retention) -> Result<Pruned, Error>;
    /// Looks at the state of the store itself, for people. `deep` also reads everything that it holds, which may take long.
    async fn examine(&self, deep: bool) -> Result<Examination, Error>;

    /// Replicas on several machines can share this store; otherwise all of them are on one.
    fn is_shared_across_machines(&self) -> bool;

    /// A secret that the replicas of this store share and nobody else knows, made when the store was.
    fn cluster_secret(&self) -> &str;

    /// Hints from this and other replicas, from now on. A receiver that lags misses some; hints may be lost anyway.
    fn hints(&self) -> broadcast::Receiver<Hint>;
}
