//! The writer thread: the only place of a process that writes to the file.
//!
//! It takes whatever intents have gathered while the previous commit was in flight, runs them in one transaction, and
//! answers all of them after the commit. If one of a group fails, the group is rolled back and its intents run one by
//! one, so that none suffers for another.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::Clock;
use super::wake::Wake;
use crate::{Error, Hint};

/// Intents that may wait for the thread; more make their callers wait.
const QUEUE: usize = 1_024;

/// The most intents of one transaction: bounds the latency of the first and the size of the log file.
const GROUP: usize = 256;

/// Pages of the write-ahead log before it is copied back into the file.
const CHECKPOINT_PAGES: u32 = 4_000;

/// Bytes of the write-ahead log above which it is emptied, which makes readers wait for a moment. Usually it starts over
/// by itself; under constant reads it would only grow.
pub(super) const LOG_BYTES: u32 = 64 << 20;

/// Commits between two looks at the size of the log.
const LOOK_EVERY: u32 = 256;

/// How often a transaction asks for the file before it gives up while another process writes: some 3 s.
const BUSY_TRIES: i32 = 4_000;

/// How often at the start, when nobody waits for an answer yet: some 30 s.
const BUSY_TRIES_AT_START: i32 = 40_000;

/// An open transaction.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    /// The store's time.
    pub(super) now: i64,
    hints: &'a RefCell<Vec<Hint>>,
}

impl Tx<'_> {
    /// Sends a hint once the transaction is committed.
    pub(super) fn hint(&self, hint: Hint) {
        let mut hints = self.hints.borrow_mut();
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
}

/// An intent on its way to the thread.
trait Op: Send {
    fn run(&mut self, tx: &Tx<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), Error>);
    fn is_late(&self) -> bool;
}

struct Call<F, T> {
    body: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
    deadline: Instant,
}

impl<F, T> Op for Call<F, T>
where
    F: FnMut(&Tx<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.body)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), Error>) {
        let answer = match (outcome, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(Error::Unavailable("the intent did not run".to_owned())),
            (Err(error), _) => Err(error),
        };
        // The caller may have gone; what was committed stays committed.
        let _ = self.reply.send(answer);
    }

    fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }
}

/// The way to the writer thread. Dropping it ends the thread.
#[derive(Clone)]
pub(super) struct Writer {
    ops: mpsc::Sender<Box<dyn Op>>,
    patience: Duration,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        clock: Clock,
        wake: Arc<Wake>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let (ops, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || Thread { connection, clock, wake, commits: 0 }.run(queue))
            .map_err(|e| Error::Unavailable(format!("cannot start the writer thread: {e}")))?;
        Ok(Self { ops, patience })
    }

    /// Runs `body` in a transaction and returns its result after the commit. It may run more than once, each time on a
    /// clean transaction, and must not have effects of its own.
    pub(super) async fn write<T, F>(&self, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call { body, result: None, reply, deadline: Instant::now() + self.patience };
        let stopped = || Error::Unavailable("the writer thread has stopped".to_owned());
        match tokio::time::timeout(self.patience, self.ops.send(Box::new(call))).await {
            Ok(sent) => sent.map_err(|_| stopped())?,
            Err(_) => return Err(Error::Unavailable("the store is too busy".to_owned())),
        }
        answer.await.map_err(|_| stopped())?
    }
}

struct Thread {
    connection: Connection,
    clock: Clock,
    wake: Arc<Wake>,
    /// Groups that were committed so far.
    commits: u32,
}

impl Thread {
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Op>>) {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = queue.try_recv()
            {
                group.push(next);
            }
            self.commit(group);
            self.commits = self.commits.wrapping_add(1);
            if self.commits.is_multiple_of(LOOK_EVERY) {
                self.hold_log_to_its_size();
            }
        }
        tracing::debug!("the store's writer thread ends");
    }

    /// Empties the write-ahead log if it has grown too large. It is tried again later if others hold on to it.
    fn hold_log_to_its_size(&self) {
        let path = self.connection.path().map(|path| format!("{path}-wal"));
        let size = path.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |log| log.len());
        if size > u64::from(LOG_BYTES) {
            let emptied =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, i64>(0));
            tracing::debug!(size, ?emptied, "the write-ahead log was to be emptied");
        }
    }

    fn commit(&mut self, group: Vec<Box<dyn Op>>) {
        let (late, mut group): (Vec<_>, Vec<_>) = group.into_iter().partition(|op| op.is_late());
        for op in late {
            op.answer(Err(Error::Unavailable("the store is too busy".to_owned())));
        }
        if group.is_empty() {
            return;
        }
        match self.transaction(&mut group) {
            Ok(hints) => {
                group.into_iter().for_each(|op| op.answer(Ok(())));
                self.wake.send(&hints);
            }
            Err(error) if group.len() == 1 || is_about_the_file(&error) => {
                let error = classify(&error);
                tracing::warn!(%error, "the store cannot commit");
                group.into_iter().for_each(|op| op.answer(Err(error.clone())));
            }
            Err(_) => group.into_iter().for_each(|op| self.commit(vec![op])),
        }
    }

    fn transaction(&mut self, group: &mut [Box<dyn Op>]) -> rusqlite::Result<Vec<Hint>> {
        let hints = RefCell::new(Vec::new());
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tx = Tx { connection: &transaction, now: (self.clock)(), hints: &hints };
        for op in group {
            op.run(&tx)?;
        }
        transaction.commit()?;
        Ok(hints.into_inner())
    }
}

/// From now on a transaction gives up in time for whoever waits for its answer.
pub(super) fn end_start(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait_for_file))
}

/// Opens a connection that may write. Until [`end_start`] it waits for other processes for long.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open(path).map_err(|e| at(path, &e))?;
    configure(&mut connection).map_err(|e| at(path, &e))?;
    Ok(connection)
}

fn configure(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait_at_start))?;
    write_ahead(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(connection)
}

/// Plans a statement once. Otherwise SQLite plans it again for each new value that its `WHERE` may be estimated by,
/// which costs several times what running it does.
pub(super) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Turns the write-ahead log on. While several processes do so to a new file, SQLite reports that it is busy without
/// asking the handler.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && wait_at_start(tries) => {
                tries += 1
            }
            turned_on => return turned_on,
        }
    }
}

fn wait_for_file(tries: i32) -> bool {
    pause(tries);
    tries < BUSY_TRIES
}

fn wait_at_start(tries: i32) -> bool {
    pause(tries);
    tries < BUSY_TRIES_AT_START
}

/// Another process is writing: its transaction lasts about as long as one `fsync`.
fn pause(tries: i32) {
    let longest = 200 + 100 * u64::from(tries.clamp(0, 10).unsigned_abs());
    std::thread::park_timeout(Duration::from_micros(100 + fastrand::u64(0..longest)));
}

/// The failure is about the file and will meet every intent of a group alike.
fn is_about_the_file(error: &rusqlite::Error) -> bool {
    !matches!(error.sqlite_error_code(), None | Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig))
}

/// An error of SQLite as a decision for the caller.
pub(super) fn classify(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::Unusable("the file is not a database of Regrow".to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => {
            Error::Unusable(format!("the database is damaged ({error}); restore it from a backup"))
        }
        Some(ErrorCode::DiskFull) => Error::Unavailable("the disk is full".to_owned()),
        Some(ErrorCode::ReadOnly) => Error::Unavailable("the database is read-only".to_owned()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Unavailable("another process holds the database".to_owned())
        }
        None | Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            Error::Unusable(format!("the store refuses this for good: {error}"))
        }
        _ => Error::Unavailable(error.to_string()),
    }
}

/// The same, with the path for messages at start.
pub(super) fn at(path: &Path, error: &rusqlite::Error) -> Error {
    match classify(error) {
        Error::Unavailable(why) => Error::Unavailable(format!("{}: {why}", path.display())),
        Error::Unusable(why) => Error::Unusable(format!("{}: {why}", path.display())),
    }
}
