//! A rolling restart under load: every replica is stopped and started again, one after the other, behind a balancer that
//! honours readiness, and no client notices. Nobody repeats a request here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use regrow_chaos::balancer::Balancer;
use regrow_chaos::client::{Client, Turn};
use serde_json::json;
use tokio::task::JoinSet;

use crate::expected;
use crate::scene::{Scene, Shared, soon, until};

/// Clients, each of which keeps its connection as long as it may.
const CLIENTS: usize = 8;

/// Messages of a conversation.
const MESSAGES: usize = 5;

/// Answers between two restarts.
const BETWEEN: usize = 50;

/// What clients share.
#[derive(Default)]
struct Load {
    enough: AtomicBool,
    answered: AtomicUsize,
}

/// Talks until it is enough; returns the ids of its messages and what went wrong.
async fn talk(client: Client, name: usize, load: Arc<Load>) -> (Vec<String>, Vec<String>) {
    let (mut sent, mut wrong) = (Vec::new(), Vec::new());
    let mut said: Vec<String> = Vec::new();
    while !load.enough.load(Ordering::Relaxed) {
        if said.len() == MESSAGES {
            said.clear();
        }
        let id = format!("c{name}m{}", sent.len());
        let session = format!("c{name}s{}", sent.len() / MESSAGES);
        sent.push(id.clone());
        said.push(id.clone());
        let turn = Turn::user(format!("[[id={id} tokens=12 delay_ms=5]]")).streamed().in_session(session);
        let seen: Vec<&str> = said.iter().map(String::as_str).collect();
        match soon(client.send(&turn)).await {
            Ok(reply) if reply.is_ok() && reply.text == expected::text(&id, &seen, 12) => {
                load.answered.fetch_add(1, Ordering::Relaxed);
            }
            other => wrong.push(format!("{id}: {other:?}")),
        }
    }
    (sent, wrong)
}

/// Waits until many more answers have come.
async fn go_on(load: &Load) {
    let before = load.answered.load(Ordering::Relaxed);
    until(async || (load.answered.load(Ordering::Relaxed) >= before + BETWEEN).then_some(())).await;
}

fn address(scene: &Scene, replica: usize) -> std::net::SocketAddr {
    let url = scene.cluster.base_url(replica).unwrap();
    url.trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap()
}

async fn restart_one_after_the_other(shared: Shared) {
    let mut scene = Scene::over(shared, 3, json!({"regrow": {"noticeSeconds": 2}})).await;
    let balancer = Balancer::start().await.unwrap();
    for replica in 0..3 {
        balancer.set(replica, address(&scene, replica));
        soon(balancer.ready(replica)).await;
    }
    let load = Arc::<Load>::default();
    let mut clients = JoinSet::new();
    for name in 0..CLIENTS {
        let client = Client::new(balancer.base_url(), scene.cluster.token()).unwrap();
        clients.spawn(talk(client, name, Arc::clone(&load)));
    }
    for replica in 0..3 {
        go_on(&load).await;
        assert_eq!(soon(scene.cluster.terminate(replica)).await.unwrap(), Some(0));
        soon(scene.cluster.restart(replica)).await.unwrap();
        balancer.set(replica, address(&scene, replica));
        soon(balancer.ready(replica)).await;
    }
    go_on(&load).await;
    load.enough.store(true, Ordering::Relaxed);

    let (mut sent, mut wrong) = (Vec::new(), Vec::new());
    for (ids, failures) in clients.join_all().await {
        sent.extend(ids);
        wrong.extend(failures);
    }
    assert!(wrong.is_empty(), "{} of {} requests failed: {wrong:#?}", wrong.len(), sent.len());
    for id in &sent {
        assert_eq!(scene.rounds(id), [0], "{id} was answered by one model call");
    }
    assert_eq!(scene.model.calls().len(), sent.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_noticed_by_nobody() {
    restart_one_after_the_other(Shared::File).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_on_postgres_is_noticed_by_nobody() {
    restart_one_after_the_other(Shared::Postgres).await;
}
