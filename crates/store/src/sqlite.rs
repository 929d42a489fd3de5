//! The embedded store: one SQLite file, shared by all replicas of one machine.
//!
//! Each process has one writer thread that commits in groups, so a burst of intents costs one `fsync`; readers have
//! connections of their own. A commit is durable against power loss (WAL, `synchronous=FULL`). If the disk is full or
//! the file read-only, intents fail as unavailable, and work again when it is back.

mod abort;
mod accept;
mod append;
mod claim;
mod examine;
mod file_system;
mod finish;
mod heartbeat;
mod history;
mod holder;
mod leases;
mod liveness;
mod prunable;
mod prune;
mod reader;
mod reap;
mod release;
mod row;
mod schedules;
mod schema;
mod steps;
mod trial;
mod views;
mod wake;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use regrow_protocol::{Epoch, ReplicaId, RunId, ScheduleId, Seq, SessionId};
use tokio::sync::broadcast;

use self::holder::Holder;
use self::liveness::Liveness;
use self::reader::Readers;
use self::reap::Looks;
use self::steps::Steps;
use self::wake::Wake;
use self::writer::Writer;
use crate::{
    Accept, Accepted, Beat, Claimed, Control, Due, Error, Examination, Finish, Finished, Fired, Firing, Hint,
    Load, LogEntry, NewEntry, Pruned, Reaped, Replica, ReplicaView, Reset, Retention, RunView, RunningView,
    Schedule, ScheduleView, SessionView, Store, WriteError,
};

pub use self::examine::can_be_made;
pub use self::schema::{SCHEMA_VERSION, version};

/// Milliseconds since 1970. All processes of a machine share one clock, so it is the store's clock.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Reads at once of one process.
const READERS: usize = 4;

/// A heartbeat that takes this long waits for somebody; a commit takes a few milliseconds.
const STALLED: Duration = Duration::from_millis(250);

/// How to open the store.
#[derive(Clone)]
pub struct Options {
    /// The file; it and its directory are created if missing.
    pub path: PathBuf,
    /// The store's clock.
    pub clock: Clock,
    /// A clock of this process that is never set; it tells a step of the store's clock from the passing of time.
    pub monotonic: Clock,
    /// How long an intent may wait for its turn before it fails as unavailable.
    pub patience: Duration,
}

impl Options {
    /// The usual options for this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let started = Instant::now();
        let monotonic = move || i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let patience = Duration::from_secs(5);
        Self { path: path.into(), clock: Arc::new(system_clock), monotonic: Arc::new(monotonic), patience }
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The embedded store. Dropping it stops its threads once the intents under way are done.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    /// Looks for dead replicas never wait behind the reads of others.
    pulse: Readers,
    looks: Looks,
    liveness: Liveness,
    holder: Holder,
    wake: Arc<Wake>,
    clock: Clock,
    cluster_secret: String,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file and brings its schema up to date. Fails if the file is of a newer release or another program's.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let path = &options.path;
        if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            create_private_dir(directory)
                .map_err(|e| Error::Unavailable(format!("cannot create {}: {e}", directory.display())))?;
        }
        // Before the first write: even the journal mode is a change to a file of another program.
        schema::version(path)?;
        create_private_file(path)
            .map_err(|e| Error::Unavailable(format!("cannot open {}: {e}", path.display())))?;
        let mut connection = writer::connect(path)?;
        schema::migrate(&mut connection, path)?;
        let cluster_secret = schema::cluster_secret(&connection)?;
        writer::end_start(&mut connection).map_err(|e| writer::at(path, &e))?;
        let peers = liveness::directory(path);
        create_private_dir(&peers)
            .map_err(|e| Error::Unavailable(format!("cannot create {}: {e}", peers.display())))?;
        let wake = Arc::new(Wake::new(peers.clone()));
        let writer = Writer::start(connection, options.clock.clone(), Arc::clone(&wake), options.patience)?;
        let readers = Readers::open(path, READERS)?;
        let pulse = Readers::open(path, 1)?;
        let looks = Looks::new(Steps::new(options.clock.clone(), options.monotonic.clone()));
        let liveness = Liveness::new(peers);
        Ok(Self {
            path: path.clone(),
            writer,
            readers,
            pulse,
            looks,
            liveness,
            holder: Holder::new(path),
            wake,
            clock: options.clock.clone(),
            cluster_secret,
        })
    }

    /// Nobody can write since `began`: ends a replica that stands still with the write lock and whose lease is over. Those
    /// who could not renew theirs meanwhile get the time to do so.
    async fn look_for_holder(&self, began: i64) {
        self.looks.steps.stalled(began);
        let Some((pid, replica)) = self.holder.standing_still(&self.liveness) else { return };
        let now = (self.clock)();
        if self.pulse.read(move |c| reap::is_over(c, replica, now)).await.unwrap_or(false)
            && self.holder.standing_still(&self.liveness) == Some((pid, replica))
        {
            holder::end(pid, replica);
        }
    }
}

/// Creates a directory that only its owner can read: a store holds conversations.
fn create_private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates the file, if it is missing, so that only its owner can read it; SQLite gives its log the same mode.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

#[async_trait]
impl Store for SqliteStore {
    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        self.liveness.hold(replica.id)?;
        self.wake.listen(replica.id);
        heartbeat::join(&self.writer, replica).await
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        accept::accept(&self.writer, message).await
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        claim::claim(&self.writer, &self.readers, replica, most).await
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        append::append(&self.writer, claimed, entries, context_base).await
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        finish::finish(&self.writer, claimed, finish).await
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        release::release(&self.writer, claimed).await
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        let began = (self.clock)();
        let mut answer = std::pin::pin!(heartbeat::heartbeat(&self.writer, replica));
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                () = tokio::time::sleep(STALLED) => self.look_for_holder(began).await,
            }
        };
        match &answer {
            Ok(_) => self.looks.steps.wrote(),
            Err(_) => self.looks.steps.stalled(began),
        }
        answer
    }

    async fn try_commit(&self) -> Result<(), Error> {
        trial::try_commit(&self.writer).await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        release::disown(&self.writer, replica, leases).await
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        heartbeat::drain(&self.writer, replica).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        reap::remove(&self.writer, replica).await?;
        self.liveness.let_go(replica);
        self.wake.silence(replica);
        Ok(())
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        reap::reap(&self.writer, &self.pulse, &self.liveness, &self.looks).await
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        abort::abort(&self.writer, run).await
    }

    async fn reset(&self, session: SessionId) -> Result<Reset, Error> {
        abort::reset(&self.writer, session).await
    }

    async fn put_schedule(&self, schedule: &Schedule, replaces: Option<i64>) -> Result<Option<i64>, Error> {
        schedules::put(&self.writer, schedule, replaces).await
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<bool, Error> {
        schedules::remove(&self.writer, id).await
    }

    async fn list_schedules(&self) -> Result<Vec<ScheduleView>, Error> {
        self.readers.read(schedules::list).await
    }

    async fn due_schedules(&self, limit: usize) -> Result<Due, Error> {
        let now = (self.clock)();
        self.readers.read(move |c| schedules::due(c, now, limit)).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Fired, Error> {
        schedules::fire(&self.writer, firing).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.readers.read(move |c| views::find_run(c, run)).await
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        self.readers.read(move |c| history::read_log(c, session, after, limit)).await
    }

    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        self.readers.read(move |c| history::list_sessions(c, limit)).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error> {
        self.readers.read(move |c| history::find_session(c, session)).await
    }

    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error> {
        self.readers.read(move |c| views::list_runs(c, session, limit)).await
    }

    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error> {
        let (now, liveness) = ((self.clock)(), self.liveness.clone());
        self.readers.read(move |c| views::list_replicas(c, now, &liveness)).await
    }

    async fn list_running(
        &self,
        replica: Option<ReplicaId>,
        limit: usize,
    ) -> Result<Vec<RunningView>, Error> {
        self.readers.read(move |c| views::list_running(c, replica, limit)).await
    }

    async fn load(&self) -> Result<Load, Error> {
        let now = (self.clock)();
        self.readers.read(move |c| views::load(c, now)).await
    }

    async fn hold(&self, name: &str, replica: ReplicaId, ttl: Duration) -> Result<Option<Epoch>, Error> {
        leases::hold(&self.writer, &self.readers, name, replica, ttl, (self.clock)()).await
    }

    async fn let_go(&self, name: &str, replica: ReplicaId) -> Result<(), Error> {
        leases::let_go(&self.writer, name, replica).await
    }

    async fn prune(&self, policy: &Retention, most: usize) -> Result<Pruned, Error> {
        prune::prune(&self.writer, policy, most).await
    }

    async fn prunable(&self, policy: &Retention) -> Result<Pruned, Error> {
        let (policy, now) = (*policy, (self.clock)());
        self.readers.read(move |c| prunable::prunable(c, &policy, now)).await
    }

    async fn examine(&self, deep: bool) -> Result<Examination, Error> {
        examine::examine(&self.readers, &self.path, &self.liveness, self.clock.clone(), deep).await
    }

    fn is_shared_across_machines(&self) -> bool {
        false
    }

    fn cluster_secret(&self) -> &str {
        &self.cluster_secret
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.wake.subscribe()
    }
}
