//! SQLite under test: a file in a temporary directory, one handle per process, and a clock that tests can turn.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use regrow_protocol::ReplicaId;
use regrow_store::Store;
use regrow_store::sqlite::{Options, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::conformance::harness::Harness;
use crate::conformance::scene::LEASE;

const START: i64 = 1_700_000_000_000;

pub(crate) struct SqliteHarness {
    options: Options,
    clock: Arc<AtomicI64>,
    directory: TempDir,
}

impl SqliteHarness {
    /// Nothing is opened or created yet.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let ticks = Arc::clone(&clock);
        let mut options = Options::new(directory.path().join("store.db"));
        // Every look at the clock is later than the one before, so that "oldest" has one meaning.
        options.clock = Arc::new(move || ticks.fetch_add(1, Ordering::SeqCst));
        // Time passes for both clocks alike.
        options.monotonic = options.clock.clone();
        Self { options, clock, directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    /// The file past the store, for looking at what the trait does not show.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Time passes, and these replicas renew their leases.
    async fn outlive(&self, time: Duration, living: Vec<ReplicaId>) {
        self.pass(time);
        let peers = self.replica_handle().await;
        for replica in living {
            peers.heartbeat(replica).await.unwrap();
        }
    }

    fn living(&self, except: Option<ReplicaId>) -> Vec<ReplicaId> {
        let connection = self.connection();
        let sql = "SELECT replica FROM replicas WHERE expires_at > ?1 AND replica IS NOT ?2";
        let mut statement = connection.prepare(sql).unwrap();
        let now = self.clock.load(Ordering::SeqCst);
        let rows =
            statement.query_map((now, except.map(|replica| *replica.as_bytes())), |row| row.get(0)).unwrap();
        rows.map(|id| ReplicaId::from_bytes(id.unwrap())).collect()
    }
}

impl Harness for SqliteHarness {
    const SCRIPTS: u32 = 256;
    const CROWDS: u64 = 4;
    const UNSOUND: &[&str] = &[];

    async fn open() -> Self {
        Self::new()
    }

    async fn replica_handle(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.options).unwrap())
    }

    async fn lapse(&self, replica: ReplicaId) {
        self.outlive(LEASE, self.living(Some(replica))).await;
    }

    async fn age(&self, by: Duration) {
        self.outlive(by, self.living(None)).await;
    }

    /// Dropping the last handle frees its locks, as the kernel does for a process that ends.
    async fn crash(&self, handle: Arc<dyn Store>) {
        assert_eq!(Arc::strong_count(&handle), 1, "the process is still in use");
        drop(handle);
    }
}
