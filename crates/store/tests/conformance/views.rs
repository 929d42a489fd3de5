//! Reading: what callers and people see of sessions, runs, replicas and load.

use std::sync::Arc;
use std::time::Duration;

use regrow_store::{Finding, Level, Liveness, Load, RunState};

use super::harness::Harness;
use super::scene::{LEASE, Scene, claim, end, id, key, replica, step};

pub(crate) async fn a_run_is_found_in_each_state<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let reader = scene.harness.replica_handle().await;
    let [first, second] = [scene.queue("a").await, scene.queue("a").await];
    for (ahead, run) in (0..).zip([first, second]) {
        let view = reader.find_run(run).await.unwrap().unwrap();
        assert_eq!((view.run, view.session, &view.session_key), (run, id("a"), &key("a")));
        assert_eq!(view.state, RunState::Queued { ahead });
    }
    let claimed = claim(&*scene.store, replica).await;
    let running = RunState::Running { replica, address: "127.0.0.1:1".to_owned(), epoch: claimed.epoch() };
    assert_eq!(reader.find_run(first).await.unwrap().unwrap().state, running);
    assert_eq!(reader.find_run(second).await.unwrap().unwrap().state, RunState::Queued { ahead: 1 });
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    assert!(matches!(reader.find_run(first).await.unwrap().unwrap().state, RunState::Ended(_)));
    assert_eq!(reader.find_run(second).await.unwrap().unwrap().state, RunState::Queued { ahead: 0 });
}

pub(crate) async fn a_run_never_vanishes_while_it_ends<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let reader = scene.harness.replica_handle().await;
    for _ in 0..60 {
        let claimed = scene.begin("a", replica).await;
        let (reader, run) = (Arc::clone(&reader), claimed.run);
        let (started, begin) = tokio::sync::oneshot::channel();
        let watch = tokio::spawn(async move {
            let mut started = Some(started);
            loop {
                let view = reader.find_run(run).await.unwrap().expect("an accepted run is never unknown");
                let listed = reader.list_runs(Some(id("a")), usize::MAX).await.unwrap();
                assert_eq!(listed.iter().filter(|view| view.run == run).count(), 1, "listed once");
                if matches!(view.state, RunState::Ended(_)) {
                    return;
                }
                if let Some(started) = started.take() {
                    started.send(()).unwrap();
                }
            }
        });
        begin.await.unwrap();
        scene.store.finish(&claimed, &end(false)).await.unwrap();
        watch.await.unwrap();
    }
}

pub(crate) async fn runs_are_listed_newest_first<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let ended = scene.begin("a", replica).await;
    let other = scene.begin("b", replica).await.run;
    let queued = [scene.queue("a").await, scene.queue("a").await];
    scene.store.finish(&ended, &end(true)).await.unwrap();
    for (session, limit, want) in [
        (Some(id("a")), 10, vec![queued[1], queued[0], ended.run]),
        (Some(id("a")), 2, vec![queued[1], queued[0]]),
        (None, 10, vec![queued[1], queued[0], other, ended.run]),
        (Some(id("missing")), 10, vec![]),
        (None, 0, vec![]),
    ] {
        let runs = scene.store.list_runs(session, limit).await.unwrap();
        assert_eq!(runs.iter().map(|view| view.run).collect::<Vec<_>>(), want);
        for view in runs {
            assert_eq!(scene.store.find_run(view.run).await.unwrap(), Some(view));
        }
    }
}

pub(crate) async fn sessions_are_listed_latest_first<H: Harness>() {
    let scene = Scene::<H>::open().await;
    for name in ["a", "b", "c", "a"] {
        scene.queue(name).await;
    }
    for (limit, want) in [(10, vec!["a", "c", "b"]), (2, vec!["a", "c"]), (0, vec![])] {
        let sessions = scene.store.list_sessions(limit).await.unwrap();
        let keys: Vec<_> = sessions.iter().map(|session| session.key.rest()).collect();
        assert_eq!(keys, want);
        for view in &sessions {
            assert_eq!(scene.store.find_session(view.id).await.unwrap().as_ref(), Some(view));
        }
    }
    let a = scene.store.find_session(id("a")).await.unwrap().unwrap();
    assert_eq!((a.id, &a.key, a.messages, a.waiting), (id("a"), &key("a"), 2, 2));
    assert_eq!((a.log_head, a.context_base), (0, 0));
    assert_eq!(scene.store.find_session(id("missing")).await.unwrap(), None);
}

pub(crate) async fn replicas_are_listed_with_their_work<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let first = replica();
    scene.store.join(&first).await.unwrap();
    let second = scene.replica().await;
    scene.begin("a", first.id).await;
    scene.store.drain(second).await.unwrap();
    let replicas = scene.harness.replica_handle().await.list_replicas().await.unwrap();
    let seen: Vec<_> =
        replicas.iter().map(|view| (view.id, view.slots, view.running, view.draining)).collect();
    assert_eq!(seen, [(first.id, 8, 1, false), (second, 8, 0, true)]);
    assert_eq!((&replicas[0].address, &replicas[0].version), (&first.address, &first.version));
}

pub(crate) async fn the_rest_of_a_lease_is_seen<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [hanging, living] = [scene.replica().await, scene.replica().await];
    let reader = scene.harness.replica_handle().await;
    let seen = async || {
        let replicas = reader.list_replicas().await.unwrap();
        replicas.iter().for_each(|view| assert_eq!((view.lease, view.liveness), (LEASE, Liveness::Lock)));
        let left = |id| replicas.iter().find(|view| view.id == id).unwrap().expires_in;
        (left(hanging), left(living))
    };
    let (first, second) = seen().await;
    assert!(!first.is_zero() && first <= LEASE && !second.is_zero() && second <= LEASE);
    scene.harness.lapse(hanging).await;
    let (first, second) = seen().await;
    assert!(first.is_zero() && !second.is_zero(), "{first:?}, {second:?}");
}

pub(crate) async fn what_replicas_drive_is_listed<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let lost = scene.replica().await;
    let first = scene.begin("a", lost).await;
    let began = scene.store.list_running(None, 10).await.unwrap()[0].since;
    scene.outlive(lost).await;
    assert!(scene.store.list_running(None, 10).await.unwrap().is_empty());
    let [heir, other] = [scene.replica().await, scene.replica().await];
    let taken = claim(&*scene.store, heir).await;
    let second = scene.begin("b", other).await;
    scene.queue("b").await;
    let reader = scene.harness.replica_handle().await;
    let all = reader.list_running(None, 10).await.unwrap();
    let seen: Vec<_> = all.iter().map(|v| (v.replica, v.run, v.session, v.epoch, v.attempt)).collect();
    let want =
        [(heir, first.run, id("a"), taken.epoch(), 2), (other, second.run, id("b"), second.epoch(), 1)];
    assert_eq!(seen, want, "those that began first come first");
    assert_eq!((&all[0].session_key, all[0].since), (&key("a"), began), "a take-over does not begin it anew");
    assert_eq!(reader.list_running(Some(other), 10).await.unwrap(), all[1..]);
    assert_eq!(reader.list_running(None, 1).await.unwrap(), all[..1]);
    scene.store.finish(&second, &end(false)).await.unwrap();
    assert!(reader.list_running(Some(other), 10).await.unwrap().is_empty());
}

pub(crate) async fn a_log_is_read_in_pieces_without_a_gap<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    for batch in 1..=4 {
        let steps = vec![step("text"); batch];
        scene.store.append(&mut claimed, &steps, None).await.unwrap();
    }
    let reader = scene.harness.replica_handle().await;
    let mut seqs = Vec::new();
    loop {
        let piece = reader.read_log(id("a"), seqs.last().copied().unwrap_or(0), 3).await.unwrap();
        if piece.is_empty() {
            break;
        }
        seqs.extend(piece.iter().map(|entry| entry.seq));
    }
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
    assert!(reader.read_log(id("a"), 0, 0).await.unwrap().is_empty());
    assert!(reader.read_log(id("missing"), 0, 10).await.unwrap().is_empty());
}

pub(crate) async fn load_counts_what_waits_and_runs<H: Harness>() {
    let scene = Scene::<H>::open().await;
    assert_eq!(scene.store.load().await.unwrap(), Load::default());
    let replica = scene.replica().await;
    scene.begin("running", replica).await;
    scene.queue("running").await;
    scene.queue("ready").await;
    scene.queue("waiting").await;
    scene.harness.lapse(replica).await;
    let load = scene.store.load().await.unwrap();
    assert_eq!((load.ready, load.running), (2, 1));
    assert!(load.oldest_ready > Duration::ZERO);
    let claimer = scene.replica().await;
    scene.store.claim(claimer, 10).await.unwrap();
    let load = scene.store.load().await.unwrap();
    assert_eq!(load, Load { ready: 0, running: 3, oldest_ready: Duration::ZERO });
}

pub(crate) async fn one_store_has_one_secret<H: Harness>() {
    let [scene, other] = [Scene::<H>::open().await, Scene::<H>::open().await];
    assert_eq!(scene.store.cluster_secret(), scene.harness.replica_handle().await.cluster_secret());
    assert_ne!(scene.store.cluster_secret(), other.store.cluster_secret());
    assert!(scene.store.cluster_secret().len() >= 32);
}

pub(crate) async fn a_store_examines_itself<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    scene.begin("running", replica).await;
    scene.queue("ready").await;
    let reader = scene.harness.replica_handle().await;
    for deep in [false, true] {
        let seen = reader.examine(deep).await.unwrap();
        assert!(!seen.back_end.is_empty() && !seen.version.is_empty());
        assert!(seen.schema > 0 && seen.clock > 0 && seen.size > 0, "{seen:?}");
        assert_eq!((seen.load.ready, seen.load.running), (1, 1));
        assert!(seen.load.oldest_ready > Duration::ZERO);
        let alive: Vec<_> = seen.replicas.iter().map(|view| (view.id, view.running)).collect();
        assert_eq!(alive, [(replica, 1)]);
        for finding in &seen.findings {
            assert_eq!(finding.advice.is_empty(), finding.level == Level::Ok, "{finding:?}");
        }
        let sound =
            |finding: &Finding| finding.level < Level::Problem || H::UNSOUND.contains(&finding.subject);
        assert!(seen.findings.iter().all(sound), "{:?}", seen.findings);
    }
}
