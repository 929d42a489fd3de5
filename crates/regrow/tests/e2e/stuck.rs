//! A database that takes heartbeats and no messages: replicas say that they are not ready, and are ready again by themselves,
//! without any traffic.

use regrow_chaos::client::{Client, Turn};
use regrow_testbed::postgres::Client as Sql;
use serde_json::{Value, json};

use crate::expected;
use crate::scene::{Scene, Shared, soon, until};

/// Writes of messages wait; heartbeats only read this table.
const HOLD: &str = "BEGIN; LOCK TABLE regrow.inbox IN EXCLUSIVE MODE";

/// Whoever writes a row is told that there is no room for it. (To fill a server's disk would take the other tests along.)
const FILL: &str = "CREATE FUNCTION regrow.full() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER is_full BEFORE INSERT ON regrow.inbox EXECUTE FUNCTION regrow.full();
    CREATE TRIGGER is_full BEFORE INSERT ON regrow.log EXECUTE FUNCTION regrow.full()";

async fn readiness(client: &Client) -> (u16, Value) {
    soon(client.get("/readyz")).await.unwrap()
}

async fn fail_and_recover(fail: &str, reason: &str, recover: &str) {
    let scene = Scene::over(Shared::Postgres, 1, json!({})).await;
    let sql: Sql = scene.sql().await;
    sql.batch_execute(fail).await.unwrap();
    let client = scene.client(0);
    assert_eq!(readiness(&client).await.0, 200, "nothing tells it yet");
    let refused = scene.ask_later(0, &Turn::user("[[id=a]]").once("a"));
    until(async || {
        let (status, body) = readiness(&client).await;
        (status == 503 && body["failing"][0].as_str().unwrap().contains(reason)).then_some(())
    })
    .await;
    expected::refused(&soon(refused).await.unwrap().unwrap(), 503, "gateway_unavailable");
    assert_eq!(readiness(&client).await.0, 503, "it is as before");
    assert_eq!(soon(client.get("/healthz")).await.unwrap().0, 200, "a restart would not help");
    sql.batch_execute(recover).await.unwrap();
    until(async || (readiness(&client).await.0 == 200).then_some(())).await;
    expected::whole(&scene.ask(0, &Turn::user("[[id=a]]").once("a")).await, &expected::text("a", &["a"], 0));
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn writes_that_wait_are_seen() {
    fail_and_recover(HOLD, "none is committed", "COMMIT").await;
}

#[tokio::test]
async fn a_disk_without_room_is_seen() {
    fail_and_recover(FILL, "disk is full", "DROP FUNCTION regrow.full CASCADE").await;
}
