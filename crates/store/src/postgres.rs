//! The store across machines: PostgreSQL 14 or newer, shared by any number of replicas.
//!
//! One intent is one statement, and so one transaction, guarded where it writes; messages, entries and ends of many runs
//! that come at once share statements and commits. What was acknowledged is durable as far as the server's
//! `synchronous_commit` goes; what may be lost harmlessly does not wait for the disk. While the server is away, intents
//! fail as unavailable; connections are made again when it is back.
//!
//! Heartbeats, locks and hints live on a thread of their own, so that a busy process is not taken for dead.

mod abort;
mod accept;
mod address;
mod append;
mod claim;
mod examine;
mod excuse;
mod failure;
mod finish;
mod heartbeat;
mod history;
mod leases;
mod links;
mod pace;
mod password;
mod presence;
mod prune;
mod reap;
mod release;
mod row;
mod schedules;
mod schema;
mod start;
mod statements;
mod tls;
mod trial;
mod value;
mod views;
mod wake;
mod watch;
mod writers;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use regrow_protocol::{Epoch, ReplicaId, RunId, ScheduleId, Seq, SessionId};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, oneshot};

pub use self::address::Options;
pub use self::password::Password;
pub use self::schema::SCHEMA_VERSION;
#[doc(hidden)]
pub use self::statements::{CONNECTION_SETTINGS, STATEMENTS};

use self::accept::Message;
use self::append::Batch;
use self::claim::Claims;
use self::finish::End;
use self::links::Links;
use self::presence::Presence;
use self::prune::Pruning;
use self::reap::Looks;
use self::wake::Wake;
use self::writers::Writer;
use crate::{
    Accept, Accepted, Beat, Claimed, Control, Due, Error, Examination, Finish, Finished, Fired, Firing, Hint,
    Load, LogEntry, NewEntry, Pruned, Reaped, Replica, ReplicaView, Reset, Retention, RunView, RunningView,
    Schedule, ScheduleView, SessionView, Store, WriteError,
};

/// Connections for heartbeats, looks and hints.
const PULSES: usize = 3;

/// The store. Dropping it closes its connections once what was asked is done.
pub struct PostgresStore {
    accepts: Writer<Message>,
    appends: Writer<Batch>,
    finishes: Writer<End>,
    claims: Claims,
    pruning: Pruning,
    links: Links,
    pulse: Links,
    /// Nothing behind a pooler.
    presence: Option<Arc<Presence>>,
    wake: Arc<Wake>,
    looks: Looks,
    /// Leases of the replicas of this process.
    leases: Mutex<HashMap<ReplicaId, Duration>>,
    cluster_secret: String,
    /// Ends the thread of heartbeats when it is dropped.
    _thread: oneshot::Sender<()>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects and brings the schema up to date. Fails with what to do if the server cannot be used.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        // It is large, and happens once.
        let started = Box::pin(start::start(options)).await?;
        let (runtime, thread) = pulse_thread()?;
        let links = Links::new(options, Handle::current(), options.connections, started.pooled)?;
        let pulse = Links::new(options, runtime.clone(), PULSES, started.pooled)?;
        let wake = Wake::new();
        let presence = (!started.pooled).then(|| Presence::new(options, Arc::clone(&wake)));
        if let Some(presence) = &presence {
            runtime.spawn(Arc::clone(presence).keep());
            runtime.spawn(Arc::clone(&wake).tell(pulse.clone()));
        }
        Ok(Self {
            accepts: Writer::start(&links, options.patience),
            appends: Writer::start(&links, options.patience),
            finishes: Writer::start(&links, options.patience),
            claims: Claims::default(),
            pruning: Pruning::default(),
            links,
            pulse,
            presence,
            wake,
            looks: Looks::default(),
            leases: Mutex::default(),
            cluster_secret: started.cluster_secret,
            _thread: thread,
        })
    }

    /// The schema version of a database without changing it; `None` if there is none yet.
    pub async fn version(options: &Options) -> Result<Option<i64>, Error> {
        schema::version(&Box::pin(start::look(options)).await?).await
    }

    fn own(&self) -> Vec<ReplicaId> {
        match &self.presence {
            Some(presence) => presence.own(),
            None => self.leases.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect(),
        }
    }

    fn tell_freed(&self, freed: Vec<SessionId>) {
        let ready = (!freed.is_empty()).then_some(Hint::Ready);
        if ready.is_some() {
            self.claims.look_at_everything();
        }
        self.wake.send(freed.into_iter().map(Hint::Session).chain(ready));
    }
}

/// A thread whose only work is to show that this process lives.
fn pulse_thread() -> Result<(Handle, oneshot::Sender<()>), Error> {
    let fail = |e: std::io::Error| Error::Unavailable(format!("cannot start the thread of heartbeats: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let handle = runtime.handle().clone();
    let (thread, ended) = oneshot::channel();
    let body = move || drop(runtime.block_on(ended));
    std::thread::Builder::new().name("store-pulse".to_owned()).spawn(body).map_err(fail)?;
    Ok((handle, thread))
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.links.close();
        self.pulse.close();
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        if let Some(presence) = &self.presence {
            presence.hold(replica.id).await?;
        }
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).insert(replica.id, replica.lease);
        heartbeat::join(&self.pulse, replica, self.presence.is_some()).await
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        let session = SessionId::of(&message.session);
        let answer = self.accepts.write(Message { session, asked: message }).await?;
        if answer.is_ready {
            self.wake.send([Hint::Ready]);
        }
        Ok(answer.accepted)
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        let claimed = self.claims.claim(&self.links, replica, most).await?;
        self.wake.send(claimed.iter().map(|claimed| Hint::Session(claimed.session())));
        Ok(claimed)
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        let written = self.appends.write(Batch::new(claimed, entries, context_base)).await?;
        let control = written.ok_or(WriteError::Fenced)?;
        claimed.guard.head += append::count(entries);
        if let Some(base) = context_base {
            claimed.context_base = base;
        }
        Ok(control)
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        let end = End { claimed: claimed.clone(), finish: finish.clone() };
        match self.finishes.write(end).await? {
            finish::Answer::Ended { finished, is_ready } => {
                let ready = is_ready.then_some(Hint::Ready);
                self.wake.send([Hint::Session(claimed.session())].into_iter().chain(ready));
                Ok(finished)
            }
            finish::Answer::Fenced | finish::Answer::Missed => Err(WriteError::Fenced),
        }
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        let lease = (claimed.session(), claimed.epoch());
        let released = release::give_up(&self.links, claimed.guard.replica, &[lease]).await?;
        if released == 0 {
            return Err(WriteError::Fenced);
        }
        self.claims.look_at_everything();
        self.wake.send([Hint::Ready]);
        Ok(())
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        let beat = heartbeat::heartbeat(&self.pulse, replica).await?;
        let lease = self.leases.lock().unwrap_or_else(PoisonError::into_inner).get(&replica).copied();
        if let Some(lease) = lease {
            self.looks.excuse.beat(lease);
        }
        Ok(beat)
    }

    async fn try_commit(&self) -> Result<(), Error> {
        trial::try_commit(&self.links).await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        let given_up = release::give_up(&self.links, replica, leases).await?;
        if given_up > 0 {
            self.claims.look_at_everything();
            self.wake.send([Hint::Ready]);
        }
        Ok(given_up)
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        heartbeat::drain(&self.pulse, replica).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        let found = reap::remove(&self.pulse, replica).await?;
        self.tell_freed(found.freed);
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&replica);
        if let Some(presence) = &self.presence {
            presence.let_go(replica).await;
        }
        Ok(())
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        let found = reap::reap(&self.pulse, &self.own(), &self.looks).await?;
        self.wake.is_alone(found.peers == 0);
        self.tell_freed(found.freed);
        Ok(found.reaped)
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        let view = abort::abort(&self.links, run).await?;
        self.wake.send(view.iter().map(|view| Hint::Abort(view.session)));
        Ok(view)
    }

    async fn reset(&self, session: SessionId) -> Result<Reset, Error> {
        abort::reset(&self.links, session).await
    }

    async fn put_schedule(&self, schedule: &Schedule, replaces: Option<i64>) -> Result<Option<i64>, Error> {
        schedules::put(&self.links, schedule, replaces).await
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<bool, Error> {
        schedules::remove(&self.links, id).await
    }

    async fn list_schedules(&self) -> Result<Vec<ScheduleView>, Error> {
        schedules::list(&self.links).await
    }

    async fn due_schedules(&self, limit: usize) -> Result<Due, Error> {
        schedules::due(&self.links, limit).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Fired, Error> {
        let (fired, is_ready) = schedules::fire(&self.links, firing).await?;
        if is_ready {
            self.wake.send([Hint::Ready]);
        }
        Ok(fired)
    }

    async fn hold(&self, name: &str, replica: ReplicaId, ttl: Duration) -> Result<Option<Epoch>, Error> {
        leases::hold(&self.links, name, replica, ttl).await
    }

    async fn let_go(&self, name: &str, replica: ReplicaId) -> Result<(), Error> {
        leases::let_go(&self.links, name, replica).await
    }

    async fn prune(&self, policy: &Retention, most: usize) -> Result<Pruned, Error> {
        self.pruning.prune(&self.links, policy, most).await
    }

    async fn prunable(&self, policy: &Retention) -> Result<Pruned, Error> {
        prune::prunable(&self.links, policy).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        views::find_run(&self.links, run).await
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        history::read_log(&self.links, session, after, limit).await
    }

    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        history::list_sessions(&self.links, limit).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error> {
        history::find_session(&self.links, session).await
    }

    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error> {
        views::list_runs(&self.links, session, limit).await
    }

    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error> {
        views::list_replicas(&self.links).await
    }

    async fn list_running(
        &self,
        replica: Option<ReplicaId>,
        limit: usize,
    ) -> Result<Vec<RunningView>, Error> {
        views::list_running(&self.links, replica, limit).await
    }

    async fn load(&self) -> Result<Load, Error> {
        views::load(&self.links).await
    }

    async fn examine(&self, _deep: bool) -> Result<Examination, Error> {
        examine::examine(&self.links, self.presence.is_none()).await
    }

    fn is_shared_across_machines(&self) -> bool {
        true
    }

    fn cluster_secret(&self) -> &str {
        &self.cluster_secret
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.wake.subscribe()
    }
}
