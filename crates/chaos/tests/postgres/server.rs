//! What befalls the store itself.

use std::time::Duration;

use regrow_chaos::client::Turn;
use regrow_chaos::database::Database;
use regrow_protocol::{ReplicaId, RunId, SessionId, SessionKey};
use regrow_store::postgres::{self, PostgresStore};
use regrow_store::{Accept, Replica, RunState, Store};
use serde_json::json;

use crate::scene::{Scene, refused, soon, text, whole};

/// In the middle of replies the database is taken away and given back; what was accepted before is answered, once.
async fn goes_away(mut scene: Scene, give_back: impl AsyncFnOnce(&mut Database)) {
    let told = scene.ask(0, &Turn::user("[[id=t]]").in_session("told").once("told")).await;
    let turns = [0, 1].map(|n| {
        let id = ["a", "b"][n];
        Turn::user(format!("[[id={id} tokens=60 delay_ms=25]]")).streamed().in_session(id).once(id)
    });
    let mut running = Vec::new();
    for (replica, turn) in turns.iter().enumerate() {
        let mut live = scene.open(replica, turn).await;
        assert!(soon(live.read_text(12)).await);
        running.push(live);
    }
    let waiting = scene.open(0, &Turn::user("[[id=w]]").streamed().in_session("a").once("w")).await;
    scene.database.crash().await.unwrap();
    let away = Turn::user("[[id=c]]").in_session("c").once("c");
    for replica in [0, 1] {
        refused(&scene.ask(replica, &away).await, 503, "gateway_unavailable");
        scene.ready(replica, false).await;
    }
    give_back(&mut scene.database).await;
    for (live, id) in running.into_iter().zip(["a", "b"]) {
        whole(&soon(live.finish()).await, &text(id, &[id], 60));
    }
    whole(&soon(waiting.finish()).await, &text("w", &["a", "w"], 0));
    for replica in [0, 1] {
        scene.ready(replica, true).await;
        whole(&scene.insist(replica, &away).await, &text("c", &["c"], 0));
        let again = scene.insist(replica, &Turn::user("[[id=t]]").in_session("told").once("told")).await;
        assert_eq!((again.id.as_ref(), &again.text), (told.id.as_ref(), &told.text));
    }
    assert_eq!((scene.rounds("t"), scene.rounds("w"), scene.rounds("c")), (vec![0], vec![0], vec![0]));
}

#[tokio::test]
async fn the_store_restarts_and_what_was_accepted_is_answered() {
    let scene = Scene::start(2).await;
    goes_away(scene, async |database| database.restart().await.unwrap()).await;
}

#[tokio::test]
async fn the_store_fails_over_and_what_was_accepted_is_answered() {
    let mut database = Database::start(0).await.unwrap();
    database.add_standby().await.unwrap();
    let way = database.url_of_both().unwrap();
    let scene = Scene::on(database, vec![way.clone(), way], json!({"leaseSeconds": 2})).await;
    goes_away(scene, async |database| database.promote().await.unwrap()).await;
}

/// Otherwise its epoch could be given out again, and two of one replica would write under it.
#[tokio::test]
async fn a_claim_that_was_told_survives_a_crash_of_the_store() {
    // What does not wait for the disk does not reach it before the crash.
    let mut database = Database::start_with(0, &[("wal_writer_delay", "10s")]).await.unwrap();
    let options = postgres::Options::parse(&database.url(), None).unwrap();
    let store = PostgresStore::open(&options).await.unwrap();
    let replica = Replica {
        id: ReplicaId::new(),
        address: String::new(),
        version: "test".to_owned(),
        slots: 1,
        lease: Duration::from_secs(60),
    };
    store.join(&replica).await.unwrap();
    let run = RunId::new();
    let message = Accept {
        session: SessionKey::from_caller("s", "main").unwrap(),
        message: run,
        dedupe: None,
        fingerprint: 0,
        body: b"{}".to_vec(),
        cap: 1,
        claim_for: None,
    };
    let session = SessionId::of(&message.session);
    store.accept(message).await.unwrap();
    let claimed = store.claim(replica.id, 1).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].session()), (1, session));
    database.crash().await.unwrap();
    database.restart().await.unwrap();
    let store = PostgresStore::open(&options).await.unwrap();
    let view = store.find_run(run).await.unwrap().unwrap();
    let epoch = claimed[0].epoch();
    let is_claimed = |state: &RunState| matches!(state, RunState::Running { replica: owner, epoch: held, .. } if (*owner, *held) == (replica.id, epoch));
    assert!(is_claimed(&view.state), "{view:?}");
}
