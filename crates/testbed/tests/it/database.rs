//! Databases on the shared server: separate, and gone when their owner is.

use regrow_testbed::postgres::{Address, Database, shared};

async fn exists(server: &Address, name: &str) -> bool {
    let query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    server.connect("postgres").await.unwrap().query_one(query, &[&name]).await.unwrap().get(0)
}

#[tokio::test]
async fn databases_are_separate() {
    let (one, other) = tokio::try_join!(Database::create(), Database::create()).unwrap();
    assert_eq!(one.server(), other.server());
    for database in [&one, &other] {
        // It would fail if the table were there.
        database.connect().await.unwrap().batch_execute("CREATE TABLE t (n int)").await.unwrap();
    }
    let encoding = one.connect().await.unwrap().query_one("SHOW server_encoding", &[]).await.unwrap();
    assert_eq!(encoding.get::<_, String>(0), "UTF8");
}

#[tokio::test]
async fn a_dropped_database_is_gone_though_somebody_is_connected() {
    let server = shared().await.unwrap();
    let database = Database::create().await.unwrap();
    let client = database.connect().await.unwrap();
    let name = database.name().to_owned();
    assert!(exists(&server, &name).await);
    drop(database);
    assert!(!exists(&server, &name).await);
    assert!(client.batch_execute("SELECT 1").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_database_is_dropped_in_a_runtime_of_many_threads() {
    let server = shared().await.unwrap();
    let name = Database::create().await.unwrap().name().to_owned();
    assert!(!exists(&server, &name).await);
}

#[test]
fn a_database_is_dropped_outside_of_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, database) =
        runtime.block_on(async { (shared().await.unwrap(), Database::create().await.unwrap()) });
    let name = database.name().to_owned();
    drop(runtime);
    drop(database);
    assert!(!tokio::runtime::Runtime::new().unwrap().block_on(exists(&server, &name)));
}
