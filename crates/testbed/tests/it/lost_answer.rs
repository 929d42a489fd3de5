//! PostgreSQL behind a proxy: an answer that is lost is not a transaction that is lost.

use std::time::Duration;

use regrow_testbed::postgres::{Address, Database};
use regrow_testbed::proxy::Proxy;
use tokio::time::{interval, timeout};

#[tokio::test]
async fn a_row_whose_answer_is_lost_is_committed() {
    let database = Database::create().await.unwrap();
    let witness = database.connect().await.unwrap();
    witness.batch_execute("CREATE TABLE t (n int)").await.unwrap();
    let proxy = Proxy::start(database.server().socket().unwrap()).await.unwrap();
    let behind = Address::parse(&database.url_at_port(proxy.port()).unwrap()).unwrap();
    let client = behind.connect(database.name()).await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();

    proxy.lose_answers();
    let mut answer = std::pin::pin!(client.batch_execute("INSERT INTO t VALUES (2)"));
    let mut ticks = interval(Duration::from_millis(10));
    let committed = async {
        while witness.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0) < 2 {
            ticks.tick().await;
        }
    };
    tokio::select! {
        answer = &mut answer => panic!("it was answered: {answer:?}"),
        committed = timeout(Duration::from_secs(30), committed) => committed.unwrap(),
    }
    proxy.pass();
    assert!(answer.await.is_err());
    assert!(behind.connect(database.name()).await.is_ok());
}
