//! Two processes that accept the first messages of a session at the same moment, again and again.

use std::collections::BTreeSet;
use std::sync::Arc;

use regrow_protocol::RunId;
use regrow_store::{Accept, Accepted, Store};
use tokio::sync::Barrier;

use crate::conformance::harness::Harness;
use crate::conformance::scene::{id, keyed};
use crate::harness::PostgresHarness;

/// Rounds, each with a new session.
const ROUNDS: usize = 100;

/// Messages of a round, one half from each process.
const MESSAGES: usize = 6;

/// Accepts at once the messages of one session that have these keys, from both processes in turn.
async fn at_once(stores: &[Arc<dyn Store>; 2], messages: Vec<Accept>) -> Vec<(RunId, Accepted)> {
    let start = Arc::new(Barrier::new(messages.len()));
    let tasks = messages.into_iter().enumerate().map(|(n, message)| {
        let (store, start) = (Arc::clone(&stores[n % 2]), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            (message.message, store.accept(message).await.unwrap())
        })
    });
    let mut answers = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        answers.push(task.await.unwrap());
    }
    answers
}

async fn two_processes(harness: &PostgresHarness) -> [Arc<dyn Store>; 2] {
    [harness.replica_handle().await, harness.replica_handle().await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_message_of_a_session_is_accepted_once_from_two_processes() {
    let harness = PostgresHarness::open().await;
    let stores = two_processes(&harness).await;
    for round in 0..ROUNDS {
        let name = format!("same-{round}");
        let answers = at_once(&stores, (0..MESSAGES).map(|_| keyed(&name, "key")).collect()).await;
        let winners = answers.iter().filter(|(_, answer)| matches!(answer, Accepted::New { seq: 1, .. }));
        let winners: Vec<RunId> = winners.map(|(run, _)| *run).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        for (_, answer) in answers.iter().filter(|(run, _)| *run != winners[0]) {
            assert!(
                matches!(answer, Accepted::Duplicate { message, seq: 1, .. } if *message == winners[0]),
                "{answer:?}"
            );
        }
        let view = stores[0].find_session(id(&name)).await.unwrap().unwrap();
        assert_eq!((view.messages, view.waiting), (1, 1), "no position is lost to a copy");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_messages_of_a_session_from_two_processes_stand_without_a_gap() {
    let harness = PostgresHarness::open().await;
    let stores = two_processes(&harness).await;
    for round in 0..ROUNDS {
        let name = format!("different-{round}");
        // One of the keys comes twice.
        let messages = (0..MESSAGES).map(|n| keyed(&name, &format!("key-{}", n.min(MESSAGES - 2)))).collect();
        let answers = at_once(&stores, messages).await;
        let new: Vec<i64> = answers
            .iter()
            .filter_map(|(_, answer)| match answer {
                Accepted::New { seq, .. } => Some(*seq),
                _ => None,
            })
            .collect();
        let places: BTreeSet<i64> = new.iter().copied().collect();
        assert_eq!(new.len(), MESSAGES - 1, "{answers:?}");
        assert_eq!(places, (1..MESSAGES as i64).collect());
        assert_eq!(stores[0].find_session(id(&name)).await.unwrap().unwrap().messages, MESSAGES as i64 - 1);
    }
}
