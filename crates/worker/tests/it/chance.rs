//! Every call of every store fails or loses its answer by chance, replicas lose their lives, and then all is well again:
//! every message has been answered once, in order, and each run has seen everything before it.

use std::sync::Arc;

use regrow_agent::Entry;
use regrow_tools::Class;
use regrow_worker::Ticket;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Replica, Scene, answer, assert_done};

const SESSIONS: usize = 8;
const MESSAGES: usize = 5;

/// Hands in the messages of one session, each at one of the replicas.
async fn chat(replicas: Arc<[Replica; 2]>, session: usize) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    for n in 0..MESSAGES {
        let tool = ["", " tool=keyed", " tool=sharp"][(session + n) % 3];
        let text = format!("[[id=s{session}m{n}{tool}]]");
        let replica = &replicas[(session + n) % 2];
        tickets.push(replica.insist(&format!("s{session}"), &format!("k{n}"), &text).await);
    }
    tickets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_answered_once_and_in_order() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let scene = Scene::start().await;
    let (keyed, sharp) = (Probe::answering("keyed", Class::Keyed), Probe::answering("sharp", Class::Unsafe));
    let tools = [&keyed, &sharp];
    let replicas = Arc::new([scene.replica(&tools).await, scene.replica(&tools).await]);
    for (n, replica) in (0..).zip(replicas.iter()) {
        replica.store.by_chance(seed ^ n, 0.15);
    }
    let chats: Vec<_> = (0..SESSIONS).map(|s| tokio::spawn(chat(Arc::clone(&replicas), s))).collect();
    for replica in replicas.iter() {
        replica.store.reached(Intent::Finish, 3).await;
        replica.store.next(Intent::Heartbeat, [Fault::Gone]);
        replica.store.more(Intent::Heartbeat, 2).await;
    }
    let mut tickets = Vec::new();
    for chat in chats {
        tickets.push(chat.await.unwrap());
    }
    replicas.iter().for_each(|replica| replica.store.heal());

    for (s, tickets) in tickets.iter().enumerate() {
        let ids: Vec<String> = (0..MESSAGES).map(|n| format!("s{s}m{n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for (n, ticket) in tickets.iter().enumerate() {
            let reply = replicas[n % 2].ended(ticket).await;
            let (said, result) = reply.text.split_once(" result=").unwrap_or((&reply.text, ""));
            assert_eq!(said, answer(&ids[..=n]), "seed {seed}");
            assert_eq!(result.is_empty(), (s + n) % 3 == 0, "seed {seed}: {result}");
            assert_done(&reply, &reply.text);
        }
        assert_log(&scene.log(&format!("s{s}")).await, seed);
    }
    let mut keys: Vec<String> = sharp.calls().into_iter().map(|call| call.key).collect();
    keys.sort();
    let calls = keys.len();
    keys.dedup();
    assert_eq!(calls, keys.len(), "seed {seed}: an unsafe call was made twice");
}

/// One entry for each message, in the order of acceptance, and one end behind each.
fn assert_log(log: &[Entry], seed: u64) {
    let marks: Vec<(char, i64)> = log
        .iter()
        .filter_map(|entry| match entry {
            Entry::User { inbox_seq, .. } => Some(('u', *inbox_seq)),
            Entry::Final(_) => Some(('f', 0)),
            _ => None,
        })
        .collect();
    let all = 1..=i64::try_from(MESSAGES).unwrap();
    let expected: Vec<(char, i64)> = all.flat_map(|n| [('u', n), ('f', 0)]).collect();
    assert_eq!(marks, expected, "seed {seed}");
}
