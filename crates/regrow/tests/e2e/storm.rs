//! Many senders, several sessions, and replicas that die one after another all the while: every message is answered
//! once, every session keeps one order, and nobody is told two things.

use std::collections::HashSet;
use std::time::Duration;

use regrow_chaos::client::{Client, Reply, Turn};
use regrow_chaos::model_server::Call;
use tokio::sync::watch;

use crate::expected;
use crate::scene::{Scene, soon};

const REPLICAS: usize = 3;
const SESSIONS: usize = 6;
const MESSAGES: usize = 16;

/// The pause of a sender before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

/// A message's id: it names its session and its sender.
fn id(session: usize, message: usize) -> String {
    format!("s{session}m{message}")
}

/// Asks replica after replica with the same key until there is a whole answer.
async fn insist(turn: Turn, clients: watch::Receiver<Vec<Client>>, mut at: usize) -> Reply {
    loop {
        let client = {
            let clients = clients.borrow();
            clients[at % clients.len()].clone()
        };
        match client.send(&turn).await {
            Ok(reply) if reply.is_ok() => return reply,
            Ok(reply) => assert!(reply.broken.is_some() || reply.status == 503, "{reply:?}"),
            Err(_) => {}
        }
        at += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn clients(scene: &Scene) -> Vec<Client> {
    (0..REPLICAS).map(|replica| scene.client(replica)).collect()
}

/// How many messages of each session a model was asked about.
fn begun(calls: &[Call]) -> [usize; SESSIONS] {
    let ids: HashSet<&str> = calls.iter().filter_map(|call| call.id.as_deref()).collect();
    std::array::from_fn(|session| ids.iter().filter(|id| id.starts_with(&format!("s{session}m"))).count())
}

/// Waits until each session has begun another message; `None` if one of them has begun all.
async fn all_advance(scene: &Scene, before: [usize; SESSIONS]) -> Option<()> {
    let advanced = |now: [usize; SESSIONS]| now.iter().zip(before).all(|(now, before)| *now > before);
    let exhausted = |now: [usize; SESSIONS]| now.contains(&MESSAGES);
    let decided = |calls: &[Call]| advanced(begun(calls)) || exhausted(begun(calls));
    soon(scene.model.wait_until(decided)).await;
    (!exhausted(begun(&scene.model.calls()))).then_some(())
}

#[tokio::test]
async fn nothing_is_lost_or_done_twice_while_replicas_die() {
    let mut scene = Scene::start(REPLICAS).await;
    let (sender, receiver) = watch::channel(clients(&scene));
    let mut asked = Vec::new();
    for session in 0..SESSIONS {
        for message in 0..MESSAGES {
            let id = id(session, message);
            let turn = Turn::user(format!("[[id={id} tokens=12 delay_ms=12]]"))
                .in_session(format!("s{session}"))
                .once(format!("k{message}"));
            let turn = Turn { stream: message % 2 == 0, ..turn };
            asked.push((id, tokio::spawn(insist(turn, receiver.clone(), session + message))));
        }
    }
    let mut deaths = 0;
    let mut at_death = [0; SESSIONS];
    // A run that meets with several deaths in a row is given up, and rightly so. So each session begins another message
    // between two deaths, and when one has begun them all, nobody dies any more.
    while let Some(()) = all_advance(&scene, at_death).await {
        scene.kill(deaths % REPLICAS).await;
        at_death = begun(&scene.model.calls());
        scene.cluster.restart(deaths % REPLICAS).await.unwrap();
        sender.send_replace(clients(&scene));
        deaths += 1;
    }
    assert!(deaths > REPLICAS, "only {deaths} replicas died in time");
    let mut replies = Vec::new();
    for (id, reply) in asked {
        replies.push((id, soon(reply).await.unwrap()));
    }
    for session in 0..SESSIONS {
        let ours = format!("s{session}m");
        check(&scene, session, replies.iter().filter(|(id, _)| id.starts_with(&ours))).await;
    }
}

/// What a session's log says happened is what its senders were told.
async fn check(scene: &Scene, session: usize, replies: impl Iterator<Item = &(String, Reply)>) {
    let log = scene.command(&["sessions", "show", &format!("s{session}"), "--json"]).await.json();
    let of_kind = |kind: &'static str| log.iter().filter(move |line| line["entry"]["kind"] == kind);
    let consumed: Vec<String> = of_kind("user")
        .map(|line| {
            let text = line["entry"]["messages"].to_string();
            let (_, rest) = text.split_once("[[id=").unwrap();
            rest.split_once(' ').unwrap().0.to_owned()
        })
        .collect();
    let order: Vec<&str> = consumed.iter().map(String::as_str).collect();
    assert_eq!((order.len(), of_kind("final").count()), (MESSAGES, MESSAGES));
    for (id, reply) in replies {
        let position = order.iter().position(|other| other == id).unwrap();
        expected::whole(reply, &expected::text(id, &order[..=position], 12));
    }
    let epochs: Vec<i64> = log.iter().map(|line| line["epoch"].as_i64().unwrap()).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
}
