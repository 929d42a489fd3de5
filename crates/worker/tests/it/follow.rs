//! Following a run: from anywhere, at any time, across takeovers, and never with a text that is not the run's.

use std::sync::Arc;

use regrow_protocol::{RunId, SessionId};
use regrow_tools::Class;
use regrow_worker::{Cursor, Ticket};
use tokio::sync::Semaphore;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Replica, Scene, Told, answer, assert_done, key_of, read, soon, tell};

/// 12 tokens, of which the first call streams 8 and then falls silent.
const STUCK: &str = "[[id=a tokens=12 hang=1 after=8]]";

/// What the first call says.
fn half() -> String {
    answer(&["a"]) + " w6 w7 w8"
}

fn whole() -> String {
    half() + " w9 w10 w11 w12"
}

/// Bytes of the first 300 tokens of a longer answer.
const LONG: usize = 1_403;

fn after(text: &str) -> Cursor {
    let mut cursor = Cursor::START;
    cursor.advance(text);
    cursor
}

async fn stuck(scene: &Scene, replica: &Replica) -> Ticket {
    let ticket = replica.send("s", STUCK).await;
    soon(scene.model.wait_for("a", 8)).await;
    ticket
}

#[tokio::test]
async fn a_follower_gets_what_is_behind_its_cursor_whenever_and_wherever_it_comes() {
    let scene = Scene::start().await;
    let [driving, other] = [scene.replica(&[]).await, scene.replica(&[]).await];
    let ticket = driving.send("s", "[[id=a tokens=40 delay_ms=5]]").await;
    let reply = driving.ended(&ticket).await;
    for replica in [&driving, &other] {
        for at in [0, 1, 20, reply.text.len()] {
            let mut follow = replica.follow(&ticket, after(&reply.text[..at]));
            assert_eq!(tell(&mut follow).await, Told::Ended(reply.text[at..].to_owned(), Arc::clone(&reply)));
            assert_eq!(follow.cursor(), after(&reply.text));
            assert_eq!(follow.next().await.unwrap(), None, "after the end there is nothing");
        }
        for foreign in ["another text", &format!("{} and more", reply.text)] {
            let mut follow = replica.follow(&ticket, after(foreign));
            assert_eq!(tell(&mut follow).await, Told::Diverged(String::new()));
            assert_eq!(follow.next().await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn many_followers_are_told_the_same() {
    let scene = Scene::start().await;
    let [driving, other] = [scene.replica(&[]).await, scene.replica(&[]).await];
    let ticket = driving.send("s", "[[id=a tokens=60 delay_ms=5]]").await;
    let follows = (0..100).map(|n| {
        let mut follow = [&driving, &other][n % 2].follow(&ticket, Cursor::START);
        tokio::spawn(async move { tell(&mut follow).await })
    });
    let follows: Vec<_> = follows.collect();
    let reply = driving.ended(&ticket).await;
    for follow in follows {
        assert_eq!(soon(follow).await.unwrap(), Told::Ended(reply.text.clone(), Arc::clone(&reply)));
    }
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn the_same_text_after_a_takeover_is_no_divergence() {
    let scene = Scene::start().await;
    let first = scene.replica(&[]).await;
    let ticket = stuck(&scene, &first).await;
    let mut from_start = first.follow(&ticket, Cursor::START);
    let mut from_middle = first.follow(&ticket, after(&half()[..10]));
    let said = read(&mut from_start, half().len()).await;
    assert_eq!(said, half());
    assert_eq!(read(&mut from_middle, half().len() - 10).await, half()[10..]);

    first.lose_life();
    let second = scene.replica(&[]).await;
    let late = second.follow(&ticket, after(&half()));
    for mut follow in [from_start, from_middle, late] {
        let Told::Ended(rest, reply) = tell(&mut follow).await else { panic!("diverged") };
        assert_eq!((rest.as_str(), &reply.text), (&whole()[half().len()..], &whole()));
    }
    assert_eq!(scene.rounds("a"), [0, 0]);
}

#[tokio::test]
async fn another_text_after_a_takeover_diverges_for_whoever_has_some_of_the_first() {
    let scene = Scene::start().await;
    let first = scene.replica(&[]).await;
    let ticket = stuck(&scene, &first).await;
    let mut told = first.follow(&ticket, Cursor::START);
    assert_eq!(read(&mut told, half().len()).await, half());

    first.lose_life();
    let second = scene.demo_replica().await;
    let told_late = second.follow(&ticket, after(&half()));
    for mut follow in [told, told_late] {
        assert_eq!(tell(&mut follow).await, Told::Diverged(String::new()), "not a byte of the other text");
        assert_eq!(follow.next().await.unwrap(), None);
    }
    let reply = second.ended(&ticket).await;
    assert!(!reply.text.starts_with("reply to"));
    for replica in [&first, &second] {
        let mut untold = replica.follow(&ticket, Cursor::START);
        assert_eq!(tell(&mut untold).await, Told::Ended(reply.text.clone(), Arc::clone(&reply)));
    }
}

#[tokio::test]
async fn who_asks_again_is_told_by_a_replica_that_was_replaced_what_others_are_told() {
    let scene = Scene::start().await;
    let first = scene.replica(&[]).await;
    let ticket = first.insist("s", "k", STUCK).await;
    soon(scene.model.wait_for("a", 8)).await;
    // Its heartbeats do not come back, so that it does not learn that it is gone.
    let id = first.store.sound().list_replicas().await.unwrap()[0].id;
    first.store.always(Intent::Heartbeat, Fault::Held(Arc::new(Semaphore::new(0))));
    first.store.sound().leave(id).await.unwrap();
    let reply = scene.demo_replica().await.ended(&ticket).await;
    assert!(!reply.text.starts_with("reply to"));

    let mut early = first.follow(&ticket, Cursor::START);
    assert_eq!(read(&mut early, half().len()).await, half(), "it still shows the run");
    let again = first.insist("s", "k", STUCK).await;
    assert!(again.duplicate);
    let mut late = first.follow(&again, Cursor::START);
    assert_eq!(tell(&mut late).await, Told::Ended(reply.text.clone(), reply));
}

#[tokio::test]
async fn a_shorter_text_after_a_takeover_diverges_at_its_end() {
    let scene = Scene::start().await;
    let first = scene.replica(&[]).await;
    let ticket = first.send("s", "/long 1\n[[id=a tokens=400 hang=1 after=300]]").await;
    let mut follow = first.follow(&ticket, Cursor::START);
    let said = read(&mut follow, 1).await;
    soon(scene.model.wait_for("a", 300)).await;
    let said = said.clone() + &read(&mut follow, LONG - said.len()).await;
    assert!(said.ends_with(" w300"), "{said}");
    first.lose_life();
    let second = scene.demo_replica().await;
    assert_eq!(tell(&mut follow).await, Told::Diverged(String::new()));
    assert!(second.ended(&ticket).await.text.len() < LONG);
}

#[tokio::test]
async fn an_answer_that_a_provider_begins_again_is_no_divergence_if_it_says_the_same() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    let ticket = replica.send("s", "[[id=a tokens=20 cut=2 after=12]]").await;
    let mut follow = replica.follow(&ticket, Cursor::START);
    let Told::Ended(text, reply) = tell(&mut follow).await else { panic!("diverged") };
    assert_eq!(text, reply.text);
    assert_eq!(scene.rounds("a"), [0, 0, 0]);
}

#[tokio::test]
async fn text_of_several_answers_is_one_text_for_followers() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Unsafe);
    let replica = scene.replica(&[&probe]).await;
    let ticket = replica.send("s", "[[id=a tool=probe tokens=30 delay_ms=2]]").await;
    let mut early = replica.follow(&ticket, Cursor::START);
    probe.called(1).await;
    let mut late = replica.follow(&ticket, Cursor::START);
    probe.release(1);
    let reply = replica.ended(&ticket).await;
    for follow in [&mut early, &mut late] {
        assert_eq!(tell(follow).await, Told::Ended(reply.text.clone(), Arc::clone(&reply)));
    }
}

#[tokio::test]
async fn a_queued_run_is_followed_until_its_turn_comes() {
    let scene = Scene::start().await;
    let [driving, other] = [scene.replica(&[]).await, scene.replica(&[]).await];
    let first = stuck(&scene, &driving).await;
    let queued = driving.send("s", "[[id=b]]").await;
    let mut follow = other.follow(&queued, Cursor::START);
    soon(driving.abort(first.run)).await.unwrap();
    let Told::Ended(text, _) = tell(&mut follow).await else { panic!("diverged") };
    assert_eq!(text, answer(&["a", "b"]));
}

#[tokio::test]
async fn what_does_not_exist_is_not_waited_for() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    assert_eq!(replica.ticket(RunId::new()).await.unwrap(), None);
    let ticket =
        Ticket { run: RunId::new(), session: SessionId::of(&key_of("s")), fingerprint: 0, duplicate: false };
    assert_eq!(soon(replica.follow(&ticket, Cursor::START).next()).await.unwrap(), None);
    assert_eq!(replica.reply(&ticket).await.unwrap(), None);

    let done = replica.send("s", "[[id=a]]").await;
    assert_done(&replica.ended(&done).await, &answer(&["a"]));
    let again = replica.ticket(done.run).await.unwrap().unwrap();
    assert_eq!((again.run, again.session), (done.run, done.session));
}
