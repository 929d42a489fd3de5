//! What is over is deleted by one replica of all, and conversations go on without it.

use std::time::Duration;

use regrow_agent::{Ending, Entry};
use regrow_protocol::SessionId;
use regrow_store::Retention;
use regrow_worker::Cursor;

use crate::faulty::Intent;
use crate::scene::{Plan, Replica, SMALL_WINDOW, Scene, assert_done, key_of, main_agent, soon};

/// Nothing is kept for longer than it takes, except sessions.
fn forgetful(plan: &mut Plan) {
    plan.settings.retention =
        Retention { keys: Duration::ZERO, sessions: None, history: Some(Duration::ZERO) };
    plan.options.prune_every = Duration::from_millis(20);
}

/// The replica has looked at everything that is there now: the look that is under way may have missed some.
async fn pruned(replica: &Replica) {
    replica.store.more(Intent::Prune, 2).await;
}

#[tokio::test]
async fn one_replica_deletes_until_it_leaves() {
    let scene = Scene::start().await;
    let replicas = [scene.replica_with(&[], forgetful).await, scene.replica_with(&[], forgetful).await];
    for replica in &replicas {
        replica.store.reached(Intent::Hold, 5).await;
    }
    let (mut deleting, mut waiting): (Vec<_>, Vec<_>) =
        replicas.into_iter().partition(|replica| replica.store.count(Intent::Prune) > 0);
    let (Some(first), Some(second)) = (deleting.pop(), waiting.pop()) else { panic!("one of two deletes") };
    pruned(&first).await;
    assert_eq!(second.store.count(Intent::Prune), 0);
    soon(first.drain()).await;
    pruned(&second).await;
}

#[tokio::test]
async fn a_long_conversation_goes_on_while_its_beginning_is_deleted() {
    let scene = Scene::start().await;
    let small = |plan: &mut Plan| main_agent(plan).models = vec!["fake/small".to_owned()];
    let first = scene
        .replica_with(&[], |plan| {
            small(plan);
            forgetful(plan);
        })
        .await;
    let second = scene.replica_with(&[], small).await;
    let words = "word ".repeat(SMALL_WINDOW as usize / 5);
    for n in 0..12 {
        // Each of them takes over from memory or from what is left of the log.
        let replica = if n % 3 == 2 { &second } else { &first };
        let reply = replica.ask("s", &format!("[[id=m{n}]] {words}")).await;
        assert_eq!(reply.ending, Ending::Done, "{}", reply.text);
        assert!(reply.text.starts_with(&format!("reply to m{n}: ")), "{}", reply.text);
        pruned(&first).await;
    }
    let store = first.store.sound();
    let session = SessionId::of(&key_of("s"));
    let log = store.read_log(session, 0, 10_000).await.unwrap();
    let view = store.find_session(session).await.unwrap().unwrap();
    assert!(view.context_base > 10 && log[0].seq > 10, "{view:?} {}", log[0].seq);
    assert_eq!(log.last().map(|entry| entry.seq), Some(view.log_head));
    let asked = log.iter().map(|entry| serde_json::from_slice(&entry.payload).unwrap());
    assert!(asked.filter(|entry| matches!(entry, Entry::User { .. })).count() < 12);
    assert_eq!(store.list_runs(Some(session), 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_that_is_not_kept_is_not_waited_for() {
    let scene = Scene::start().await;
    let replica = scene.replica_with(&[], forgetful).await;
    let old = replica.insist("s", "key", "[[id=m0]]").await;
    replica.ended(&old).await;
    pruned(&replica).await;
    assert!(replica.ticket(old.run).await.unwrap().is_some(), "the newest run is kept");
    let later = replica.insist("s", "later", "[[id=m1]]").await;
    replica.ended(&later).await;
    pruned(&replica).await;
    assert_eq!(replica.ticket(old.run).await.unwrap(), None);
    assert_eq!(replica.reply(&old).await.unwrap(), None);
    assert_eq!(soon(replica.follow(&old, Cursor::START).next()).await.unwrap(), None);
    // Its key is as good as new.
    let again = replica.insist("s", "key", "[[id=m2]]").await;
    assert!(!again.duplicate && again.run != old.run);
    assert_done(&replica.ended(&again).await, "reply to m2: turns=3 seen=m0,m1,m2");
}
