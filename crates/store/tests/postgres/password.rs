//! The password of the store's user changes while a store is open.

use regrow_store::postgres::{Options, Password, PostgresStore};
use regrow_store::{Error, Store};
use regrow_testbed::postgres::{Database, Server};
use secrecy::SecretString;
use tokio_postgres::Client;

struct Scene {
    _server: Server,
    database: Database,
    admin: Client,
}

impl Scene {
    /// A server with a user of its own for the store, whose password is `first`.
    async fn open() -> Self {
        let server = Server::start().await.unwrap();
        let database = server.create_database().await.unwrap();
        let admin = database.connect().await.unwrap();
        admin.batch_execute("CREATE ROLE replica LOGIN SUPERUSER PASSWORD 'first'").await.unwrap();
        Self { _server: server, database, admin }
    }

    async fn store(&self, password: &Password) -> Result<PostgresStore, Error> {
        let url = self.database.url();
        let (_, place) = url.split_once('@').unwrap();
        let url = format!("postgres://replica:wrong@{place}");
        PostgresStore::open(&Options::parse(&url, Some(password)).unwrap()).await
    }

    async fn change_on_the_server(&self, password: &str) {
        self.admin.batch_execute(&format!("ALTER ROLE replica PASSWORD '{password}'")).await.unwrap();
    }

    /// Ends all connections of the store, so that it needs new ones.
    async fn cut(&self) {
        let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'replica'";
        assert!(!self.admin.query(sql, &[]).await.unwrap().is_empty());
    }
}

fn password(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// The store answers again, whichever of its connections it has to find broken first.
async fn answers(store: &PostgresStore) -> bool {
    for _ in 0..20 {
        if store.load().await.is_ok() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn new_connections_use_the_newest_password() {
    let scene = Scene::open().await;
    let known = Password::from(password("first"));
    let store = scene.store(&known).await.unwrap();
    assert!(answers(&store).await);
    scene.change_on_the_server("second").await;
    assert!(answers(&store).await, "connections that are open stay");
    scene.cut().await;
    assert!(!answers(&store).await, "nobody told the store");
    known.change(password("second"));
    assert!(answers(&store).await);
}

#[tokio::test]
async fn it_may_be_changed_here_before_it_is_changed_on_the_server() {
    let scene = Scene::open().await;
    let known = Password::from(password("first"));
    let store = scene.store(&known).await.unwrap();
    assert!(answers(&store).await);
    known.change(password("second"));
    // Told twice, it is still one change.
    known.change(password("second"));
    scene.cut().await;
    assert!(answers(&store).await, "the one before is still right");
    scene.change_on_the_server("second").await;
    scene.cut().await;
    assert!(answers(&store).await);
    scene.change_on_the_server("third").await;
    let error = scene.store(&known).await.unwrap_err();
    assert!(error.to_string().contains("does not let user replica in"), "{error}");
}
