//! A conversation that outgrows its model goes on from a summary, on every replica alike.

use regrow_agent::{Ending, Entry};
use regrow_protocol::SessionId;

use crate::faulty::{Fault, Intent};
use crate::scene::{Plan, SMALL_WINDOW, Scene, key_of, main_agent, soon};

fn small(plan: &mut Plan) {
    main_agent(plan).models = vec!["fake/small".to_owned()];
}

/// A message of about a quarter of the window.
fn long(id: &str) -> String {
    format!("[[id={id}]] {}", "word ".repeat(SMALL_WINDOW as usize / 5))
}

fn summaries(log: &[Entry]) -> usize {
    log.iter().filter(|entry| matches!(entry, Entry::Compaction { .. })).count()
}

#[tokio::test]
async fn a_long_conversation_goes_on_from_a_summary() {
    let scene = Scene::start().await;
    let [first, second] = [scene.replica_with(&[], small).await, scene.replica_with(&[], small).await];
    for n in 0..10 {
        let replica = if n % 3 == 2 { &second } else { &first };
        if n == 6 {
            // The answer to the write that moves the start of the context is lost as well.
            replica.store.next(Intent::Append, [Fault::Lost]);
        }
        let reply = replica.ask("s", &long(&format!("m{n}"))).await;
        assert_eq!(reply.ending, Ending::Done, "{}", reply.text);
        assert!(reply.text.starts_with(&format!("reply to m{n}: ")), "{}", reply.text);
    }
    let log = scene.log("s").await;
    assert!(summaries(&log) >= 2, "{}", summaries(&log));
    assert_eq!(
        log.iter().filter(|entry| matches!(entry, Entry::User { .. })).count(),
        10,
        "nothing is deleted"
    );
    let view = first.store.sound().find_session(SessionId::of(&key_of("s"))).await.unwrap().unwrap();
    assert!(view.context_base > 0 && view.context_base < view.log_head);
    let most = scene.model.calls().iter().map(|call| call.turns).max().unwrap();
    assert!(most < 8, "{most} user messages were sent to a model that takes four such");
}

#[tokio::test]
async fn a_run_that_is_taken_over_behind_its_summary_does_not_make_another() {
    let scene = Scene::start().await;
    let first = scene.replica_with(&[], small).await;
    first.ask("s", &long("m0")).await;
    // The first call for each of these that is not for a summary falls silent.
    let mut n = 0;
    let ticket = loop {
        n += 1;
        let id = format!("m{n}");
        let ticket = first.send("s", &(long(&id) + "[[hang=1]]")).await;
        soon(scene.model.wait_for(&id, 0)).await;
        if summaries(&scene.log("s").await) > 0 {
            break ticket;
        }
        soon(first.abort(ticket.run)).await.unwrap();
        first.ended(&ticket).await;
    };
    first.lose_life();
    let second = scene.replica_with(&[], small).await;
    let reply = second.ended(&ticket).await;
    assert_eq!(reply.ending, Ending::Done);
    let log = scene.log("s").await;
    assert_eq!(summaries(&log), 1);
    let own = log.iter().rev().take_while(|entry| !matches!(entry, Entry::User { .. })).count();
    assert_eq!(own, 1, "the end stands behind the message");
}
