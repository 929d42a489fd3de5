//! Memory does not grow with the number of turns. The short form runs always; the long one on demand:
//! `cargo test --package regrow --test e2e -- --ignored`.

use regrow_chaos::client::Turn;
use regrow_chaos::load::{self, Limit, Sessions};

use crate::scene::Scene;

/// How much more a replica may hold after a load than after a shorter one of the same kind.
const GROWTH_KIB: u64 = 40 << 10;

#[tokio::test]
async fn memory_does_not_grow_with_turns() {
    grow(150, 300).await;
}

#[tokio::test]
#[ignore = "it takes minutes"]
async fn memory_does_not_grow_with_many_turns() {
    grow(500, 5_000).await;
}

/// Compares the memory after a load with that after `warm_up`, which fills what is kept on purpose.
async fn grow(warm_up: usize, turns: usize) {
    let scene = Scene::start(1).await;
    load(&scene, "warm-up", warm_up).await;
    let before = resident_kib(scene.cluster.pid(0).unwrap());
    load(&scene, "load", turns).await;
    let after = resident_kib(scene.cluster.pid(0).unwrap());
    assert!(after < before + GROWTH_KIB, "{before} KiB became {after} KiB in {turns} turns");
}

async fn load(scene: &Scene, prefix: &str, turns: usize) {
    let report = load::run(load::Options {
        clients: vec![scene.client(0)],
        concurrency: 8,
        sessions: Sessions::Distinct { prefix: prefix.to_owned(), turns: 10 },
        limit: Limit::Turns(turns),
        turn: Turn::user("[[tokens=20]] hello").streamed(),
    })
    .await
    .unwrap();
    assert_eq!((report.ok, report.failures()), (turns as u64, 0), "{:?}", report.example);
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
