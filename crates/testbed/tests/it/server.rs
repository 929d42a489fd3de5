//! A server that starts, with the settings it was given, and stops.

use std::time::Duration;

use regrow_testbed::postgres::{Address, Server};

#[tokio::test]
async fn a_server_starts_with_its_settings() {
    let server =
        Server::start_with(&[("max_connections", "17"), ("cluster_name", r"it's a \ name")]).await.unwrap();
    let client = server.connect().await.unwrap();
    for (setting, expected) in
        [("max_connections", "17"), ("cluster_name", r"it's a \ name"), ("fsync", "on")]
    {
        let value: String = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0);
        assert_eq!(value, expected, "{setting}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let server = Server::start().await.unwrap();
    let url = server.url("postgres").replace(server.password(), "wrong");
    assert!(Address::parse(&url).unwrap().connect("postgres").await.is_err());
    assert!(server.connect().await.is_ok());
}

#[tokio::test]
async fn a_setting_that_does_not_exist_is_told_from_the_log() {
    let error = Server::start_with(&[("no_such_setting", "1")]).await.unwrap_err();
    assert!(error.to_string().contains("unrecognized configuration parameter"), "{error:#}");
}

#[tokio::test]
async fn a_stopped_server_keeps_its_rows() {
    let mut server = Server::start().await.unwrap();
    server.connect().await.unwrap().batch_execute("CREATE TABLE t AS SELECT 7 AS n").await.unwrap();
    server.stop().await.unwrap();
    assert!(!server.is_running());
    assert!(server.connect().await.is_err());
    server.restart().await.unwrap();
    let n: i32 = server.connect().await.unwrap().query_one("SELECT n FROM t", &[]).await.unwrap().get(0);
    assert_eq!(n, 7);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn processor_time_counts_backends_that_live_and_that_have_ended() {
    // Half a second of it, whatever else the machine does.
    const BURN: &str = "DO $$ DECLARE n numeric := 0; t timestamptz := clock_timestamp() + interval '0.5 s'; BEGIN \
                        WHILE clock_timestamp() < t LOOP n := sqrt(n + 2); END LOOP; END $$";
    let server = Server::start().await.unwrap();
    let idle = server.processor_time().unwrap();
    let client = server.connect().await.unwrap();
    client.batch_execute(BURN).await.unwrap();
    let used = server.processor_time().unwrap();
    assert!(used > idle + Duration::from_millis(50), "{idle:?}, then {used:?}");
    drop(client);
    let other = server.connect().await.unwrap();
    let gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())";
    while !other.query_one(gone, &[]).await.unwrap().get::<_, bool>(0) {}
    assert!(server.processor_time().unwrap() >= used);
}
