//! A cluster over a database of its own, and what a test does with them. Whatever is awaited has a limit.

use regrow_chaos::client::{Client, Live, Reply, Turn};
use regrow_chaos::cluster::{Cluster, Options};
use regrow_chaos::database::Database;
use regrow_chaos::model_server::Server;
use regrow_store::Store;
use regrow_store::postgres::{self, PostgresStore};
use serde_json::{Value, json};

pub(crate) use regrow_testbed::{soon, until};

/// The program under test: that which ships, linked with faults that nobody asks for here.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_regrow-faulty");

/// A running cluster, its model and its database. They go in this order.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) model: Server,
    pub(crate) database: Database,
}

impl Scene {
    /// So many replicas with a short lease, each with a network of its own to the database.
    pub(crate) async fn start(replicas: usize) -> Self {
        Self::with(replicas, json!({"leaseSeconds": 2})).await
    }

    /// The same with keys of `regrow` over the kit's.
    pub(crate) async fn with(replicas: usize, regrow: Value) -> Self {
        let database = Database::start(replicas).await.unwrap();
        let ways = database.ways().unwrap();
        Self::on(database, ways, regrow).await
    }

    /// A replica on each of these ways to a database.
    pub(crate) async fn on(database: Database, ways: Vec<String>, regrow: Value) -> Self {
        let model = Server::start().await.unwrap();
        let options = Options {
            replicas: ways.len(),
            ways,
            extra_config: json!({"regrow": regrow}),
            ..Options::new(PROGRAM.into(), model.base_url())
        };
        Self { cluster: Cluster::start(options).await.unwrap(), model, database }
    }

    pub(crate) fn client(&self, replica: usize) -> Client {
        self.cluster.client(replica).unwrap()
    }

    /// Sends a turn and reads the answer to its end.
    pub(crate) async fn ask(&self, replica: usize, turn: &Turn) -> Reply {
        soon(self.client(replica).send(turn)).await.unwrap()
    }

    /// Sends a turn until it is not refused.
    pub(crate) async fn insist(&self, replica: usize, turn: &Turn) -> Reply {
        until(async || {
            let reply = self.client(replica).send(turn).await.ok()?;
            (reply.status != 503).then_some(reply)
        })
        .await
    }

    /// Sends a turn; when this returns, it was accepted or refused.
    pub(crate) async fn open(&self, replica: usize, turn: &Turn) -> Live {
        soon(self.client(replica).open(turn)).await.unwrap()
    }

    /// Waits until the replica says that it is ready, or not.
    pub(crate) async fn ready(&self, replica: usize, wanted: bool) {
        let client = self.client(replica);
        until(async || ((client.get("/readyz").await.unwrap().0 == 200) == wanted).then_some(())).await;
    }

    /// Of each model call for a message, after how many tool rounds it came.
    pub(crate) fn rounds(&self, id: &str) -> Vec<usize> {
        let calls = self.model.calls();
        calls.iter().filter(|call| call.id.as_deref() == Some(id)).map(|call| call.rounds).collect()
    }

    /// The ids of the replicas that the store knows.
    pub(crate) async fn replicas(&self) -> Vec<String> {
        let options = postgres::Options::parse(&self.database.url(), None).unwrap();
        let store = PostgresStore::open(&options).await.unwrap();
        store.list_replicas().await.unwrap().iter().map(|replica| replica.id.to_string()).collect()
    }

    /// Waits until the store knows two replicas, none of which is `old`.
    pub(crate) async fn rejoined(&self, old: &str) {
        until(async || {
            let ids = self.replicas().await;
            (ids.len() == 2 && !ids.iter().any(|id| id == old)).then_some(())
        })
        .await;
    }
}

/// The answer to the message `id` of a model that saw the messages `seen` and was asked for `tokens` tokens.
pub(crate) fn text(id: &str, seen: &[&str], tokens: usize) -> String {
    let mut text = format!("reply to {id}: turns={} seen={}", seen.len(), seen.join(","));
    // The sentence itself is five tokens.
    (6..=tokens).for_each(|token| text.push_str(&format!(" w{token}")));
    text
}

/// The reply is whole, and says exactly this.
pub(crate) fn whole(reply: &Reply, text: &str) {
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(reply.text, text);
}

/// The reply says that it is not now, and when to come back.
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.error_code()), (status, Some(code)), "{reply:?}");
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(after > 0);
}
