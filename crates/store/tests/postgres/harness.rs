//! PostgreSQL under test: a database of its own, and one handle per process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_protocol::ReplicaId;
use regrow_store::Store;
use regrow_store::postgres::{Options, PostgresStore};
use regrow_testbed::postgres::Database;
use regrow_testbed::soon;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::conformance::harness::Harness;
use crate::conformance::scene::LEASE;

pub(crate) use regrow_testbed::until;

pub(crate) struct PostgresHarness {
    database: Database,
    /// Past the store, for looking at what the trait does not show.
    pub(crate) client: tokio_postgres::Client,
    /// How many handles there were, and by their addresses the applications that the server knows them as.
    handles: Mutex<(usize, HashMap<usize, String>)>,
}

impl PostgresHarness {
    pub(crate) fn options(&self, application: &str) -> Options {
        let url = format!("{}?application_name={application}", self.database.url());
        Options::parse(&url, None).unwrap()
    }

    /// The database's URL.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        self.database.name()
    }

    /// The database's URL behind a proxy.
    pub(crate) fn url_at_port(&self, port: u16) -> String {
        self.database.url_at_port(port).unwrap()
    }

    /// Where the server listens.
    pub(crate) fn socket(&self) -> SocketAddr {
        self.database.server().socket().unwrap()
    }

    /// The database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// A further connection past the store.
    pub(crate) async fn connect(&self) -> tokio_postgres::Client {
        self.database.connect().await.unwrap()
    }

    /// Connections of one handle.
    async fn connections(&self, application: &str) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1
            AND datname = current_database()";
        self.client.query_one(sql, &[&application]).await.unwrap().get(0)
    }
}

impl Harness for PostgresHarness {
    const SCRIPTS: u32 = 6;
    const CROWDS: u64 = 1;
    /// The server that tests share runs without `fsync`.
    const UNSOUND: &[&str] = &["durability"];

    async fn open() -> Self {
        let database = Database::create().await.unwrap();
        let client = database.connect().await.unwrap();
        Self { database, client, handles: Mutex::default() }
    }

    async fn replica_handle(&self) -> Arc<dyn Store> {
        let application = {
            let mut handles = self.handles.lock().unwrap();
            handles.0 += 1;
            format!("handle-{}", handles.0)
        };
        let handle: Arc<dyn Store> =
            Arc::new(PostgresStore::open(&self.options(&application)).await.unwrap());
        self.handles.lock().unwrap().1.insert(address(&handle), application);
        handle
    }

    async fn lapse(&self, replica: ReplicaId) {
        let sql =
            "UPDATE regrow.replicas SET expires_at = expires_at - $2 * interval '1 s' WHERE replica = $1";
        let params: [&(dyn ToSql + Sync); 2] = [&Uuid::from_bytes(*replica.as_bytes()), &LEASE.as_secs_f64()];
        self.client.execute(sql, &params).await.unwrap();
    }

    async fn age(&self, by: Duration) {
        let days = format!("{} seconds", by.as_secs());
        for (table, columns) in [
            ("lanes", ["ready_at", "created_at", "updated_at", "freed_since"].as_slice()),
            ("inbox", &["accepted_at"]),
            ("log", &["at"]),
            ("runs", &["finished_at"]),
            ("replicas", &["joined_at"]),
            ("leases", &["expires_at"]),
        ] {
            let older = columns.iter().map(|column| format!("{column} = {column} - interval '{days}'"));
            let sql = format!("UPDATE regrow.{table} SET {}", older.collect::<Vec<_>>().join(", "));
            self.client.batch_execute(&sql).await.unwrap();
        }
    }

    /// Dropping the last handle closes its connections, as the kernel does for a process that ends; the server notices a
    /// moment later.
    async fn crash(&self, handle: Arc<dyn Store>) {
        assert_eq!(Arc::strong_count(&handle), 1, "the process is still in use");
        let application = self.handles.lock().unwrap().1.remove(&address(&handle)).unwrap();
        drop(handle);
        let gone = async { while self.connections(&application).await > 0 {} };
        soon(gone).await;
    }
}

fn address(handle: &Arc<dyn Store>) -> usize {
    Arc::as_ptr(handle).addr()
}
