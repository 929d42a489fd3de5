//! A server that follows another one and takes its place.

use regrow_testbed::postgres::Server;

async fn numbers(server: &Server) -> Vec<i32> {
    let rows = server.connect().await.unwrap().query("SELECT n FROM t ORDER BY n", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_standby_catches_up_and_takes_over() {
    let mut primary = Server::start().await.unwrap();
    let client = primary.connect().await.unwrap();
    client.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    let mut standby = primary.standby().await.unwrap();
    assert_ne!(primary.port(), standby.port());
    assert!(standby.is_in_recovery().await.unwrap());
    assert!(!primary.is_in_recovery().await.unwrap());

    client.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    standby.wait_until_caught_up(&primary).await.unwrap();
    assert_eq!(numbers(&standby).await, [1, 2]);
    let refused = standby.connect().await.unwrap().batch_execute("INSERT INTO t VALUES (9)").await;
    assert!(refused.is_err(), "a standby is only read");

    standby.crash().await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
    standby.restart().await.unwrap();
    standby.wait_until_caught_up(&primary).await.unwrap();

    primary.crash().await.unwrap();
    standby.promote().await.unwrap();
    assert!(!standby.is_in_recovery().await.unwrap());
    standby.connect().await.unwrap().batch_execute("INSERT INTO t VALUES (4)").await.unwrap();
    assert_eq!(numbers(&standby).await, [1, 2, 3, 4]);
}
