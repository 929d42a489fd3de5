//! The benchmark in its smallest form: it measures a real replica, and what it cannot measure is absent.

use std::time::Duration;

use regrow_chaos::bench::{self, Part, Place, Report, Scale, Started, Target};

use crate::scene::{PROGRAM, Scene};

/// Each part does its least.
fn smallest() -> Scale {
    Scale {
        name: "smallest",
        starts: 1,
        rest: Duration::ZERO,
        sessions: 20,
        streams: 10,
        stream_time: Duration::from_millis(500),
        warm_up: 2,
        pairs: 2,
        slices: 1,
        slice: Duration::from_millis(50),
        burst: 20,
        open: Duration::from_millis(200),
        kills: 1,
        hand_overs: 1,
        pauses: 1,
        fleet: 20,
        history: vec![3, 8],
        history_sessions: 1,
        history_turns: 2,
    }
}

async fn bench(target: Target, parts: &[Part]) -> Report {
    let options = bench::Options { target, parts: parts.to_vec(), scale: smallest(), rate: None };
    bench::run(&options).await
}

/// The ids of the figures that are absent.
fn absent(report: &Report) -> Vec<&str> {
    let figures = report.sections.iter().flat_map(|section| &section.figures);
    figures.filter(|figure| figure.value.is_none()).map(|figure| figure.id.as_str()).collect()
}

#[tokio::test]
async fn measures_everything_of_replicas_that_it_starts() {
    let report =
        bench(Target::Started(Started { binary: PROGRAM.into(), place: Place::Sqlite }), &Part::ALL).await;
    assert!(report.is_good(), "{report}");
    assert_eq!(report.sections.len(), Part::ALL.len());
    // These are about a server.
    assert_eq!(absent(&report), ["commits.pgbench", "fleet.rest.server"], "{report}");
}

#[tokio::test]
async fn measures_what_it_can_of_a_gateway_that_is_running() {
    let scene = Scene::start(1).await;
    let target = Target::Running {
        base_url: scene.cluster.base_url(0).unwrap(),
        token: scene.cluster.token().to_owned(),
        model: "openclaw".to_owned(),
        model_url: None,
        pid: None,
    };
    let report = bench(target, &[Part::Start, Part::Memory, Part::OwnTime, Part::Cpu]).await;
    assert!(report.is_good(), "{report}");
    let absent = absent(&report);
    for id in ["start.p50", "memory.idle", "own-time.whole.p50", "cpu.1.gateway"] {
        assert!(absent.contains(&id), "{id}\n{report}");
    }
    for id in ["memory.streams.answered", "own-time.whole.turn", "cpu.1.bench"] {
        assert!(!absent.contains(&id), "{id}\n{report}");
    }
}
