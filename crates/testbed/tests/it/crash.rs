//! A server that crashes and comes back.

use regrow_testbed::postgres::Server;

#[tokio::test]
async fn a_crash_keeps_what_was_committed_and_nothing_else() {
    let mut server = Server::start().await.unwrap();
    let client = server.connect().await.unwrap();
    client.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
    let (url, port) = (server.url("postgres"), server.port());

    server.crash().await.unwrap();
    assert!(client.batch_execute("COMMIT").await.is_err());
    assert!(server.connect().await.is_err());

    server.restart().await.unwrap();
    assert_eq!((server.url("postgres"), server.port()), (url, port));
    let rows = server.connect().await.unwrap().query("SELECT n FROM t", &[]).await.unwrap();
    let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [1]);
}

#[tokio::test]
async fn it_crashes_as_often_as_wanted() {
    let mut server = Server::start().await.unwrap();
    server.connect().await.unwrap().batch_execute("CREATE TABLE t (n int)").await.unwrap();
    for n in 0..3 {
        server.connect().await.unwrap().execute("INSERT INTO t VALUES ($1)", &[&n]).await.unwrap();
        server.crash().await.unwrap();
        server.crash().await.unwrap();
        server.restart().await.unwrap();
    }
    let count: i64 =
        server.connect().await.unwrap().query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
    assert_eq!(count, 3);
}
