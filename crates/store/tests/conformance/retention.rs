//! Retention: what is over goes in its time, and nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use regrow_protocol::{EntryKind, ReplicaId, RunId, Seq};
use regrow_store::{Accept, Accepted, Finish, Pruned, Reset, Retention, RunState, Store};

use super::harness::Harness;
use super::scene::{Scene, accept, assert_fenced, claim, end, entry, id, joined, keyed, message, step};

const DAY: Duration = Duration::from_secs(86_400);

/// Keys and runs for ten days, all else for ever.
const KEYS: Retention = Retention { keys: Duration::from_secs(10 * 86_400), sessions: None, history: None };

/// Nothing for longer than it takes.
const NOTHING: Retention =
    Retention { keys: Duration::ZERO, sessions: Some(Duration::ZERO), history: Some(Duration::ZERO) };

/// More than any case has.
const ALL: usize = 10_000;

/// A run that says something in two steps and ends; the second moves the start of the context so far behind its own
/// start.
async fn answered<H: Harness>(
    scene: &Scene<H>,
    question: Accept,
    replica: ReplicaId,
    context: Option<Seq>,
) -> RunId {
    let question = Accept { claim_for: Some(replica), ..question };
    let mut claimed = accept(&*scene.store, question).await.1.expect("an idle session is claimed at once");
    scene.store.append(&mut claimed, &[entry(EntryKind::User, "question"), step("one")], None).await.unwrap();
    let base = context.map(|entries| claimed.run_base + entries);
    scene.store.append(&mut claimed, &[step("two")], base).await.unwrap();
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    claimed.run
}

/// Entries of such a run.
const SAID: Seq = 4;

async fn positions(store: &dyn Store, name: &str) -> Vec<Seq> {
    store.read_log(id(name), 0, usize::MAX).await.unwrap().iter().map(|entry| entry.seq).collect()
}

/// Deletes until there is nothing more to delete.
async fn prune_all(store: &dyn Store, policy: &Retention) -> Pruned {
    let mut all = Pruned::default();
    loop {
        all += store.prune(policy, ALL).await.unwrap();
        if !all.more {
            return all;
        }
    }
}

fn runs(runs: u64) -> Pruned {
    Pruned { runs, ..Pruned::default() }
}

fn entries(entries: u64) -> Pruned {
    Pruned { entries, ..Pruned::default() }
}

pub(crate) async fn a_key_is_remembered_for_its_time<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let [first, second] = [answered(&scene, keyed("a", "first"), replica, None).await, {
        scene.harness.age(DAY).await;
        answered(&scene, keyed("a", "second"), replica, None).await
    }];
    let third = answered(&scene, keyed("a", "third"), replica, None).await;
    scene.harness.age(KEYS.keys - 2 * DAY).await;
    assert_eq!(prune_all(&*scene.store, &KEYS).await, Pruned::default());
    for (key, run) in [("first", first), ("second", second), ("third", third)] {
        let again = scene.store.accept(keyed("a", key)).await.unwrap();
        assert!(matches!(again, Accepted::Duplicate { message, .. } if message == run), "{again:?}");
    }
    scene.harness.age(DAY).await;
    assert_eq!(prune_all(&*scene.store, &KEYS).await, runs(1));
    assert_eq!(scene.store.find_run(first).await.unwrap(), None);
    assert!(scene.store.find_run(second).await.unwrap().is_some());
    scene.harness.age(100 * DAY).await;
    assert_eq!(prune_all(&*scene.store, &KEYS).await, runs(1));
    // The newest one stays, with its key.
    let listed = scene.store.list_runs(Some(id("a")), ALL).await.unwrap();
    assert_eq!(listed.iter().map(|view| view.run).collect::<Vec<_>>(), [third]);
    let again = scene.store.accept(keyed("a", "third")).await.unwrap();
    assert!(matches!(again, Accepted::Duplicate { message, .. } if message == third), "{again:?}");
    // Nothing is known of the first one: it is another message, behind all that there were.
    assert_eq!(accept(&*scene.store, keyed("a", "first")).await.0, 4);
}

pub(crate) async fn what_is_under_way_stays<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    for name in ["ready", "running"] {
        answered(&scene, message(name), replica, None).await;
        answered(&scene, message(name), replica, Some(SAID - 1)).await;
    }
    let running = scene.begin("running", replica).await;
    let waiting = scene.queue("running").await;
    let ready = scene.queue("ready").await;
    scene.harness.age(1_000 * DAY).await;
    let before = [scene.picture("ready").await, scene.picture("running").await];
    // Of a session that is not idle, only runs go that were not its last one.
    assert_eq!(prune_all(&*scene.store, &NOTHING).await, runs(2));
    for (name, (view, log, mut runs)) in ["ready", "running"].into_iter().zip(before) {
        runs.pop();
        assert_eq!(scene.picture(name).await, (view, log, runs), "{name}");
    }
    assert_eq!(claim(&*scene.store, replica).await.run, ready);
    let next = scene.store.finish(&running, &end(true)).await.unwrap().next.unwrap();
    assert_eq!((next.run, next.message.body.as_slice()), (waiting, b"question".as_slice()));
}

pub(crate) async fn a_record_keeps_its_entries<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    answered(&scene, message("a"), replica, None).await;
    let second = answered(&scene, message("a"), replica, None).await;
    answered(&scene, message("a"), replica, Some(SAID - 1)).await;
    let policy = Retention { history: Some(Duration::ZERO), ..KEYS };
    scene.harness.age(KEYS.keys - DAY).await;
    assert_eq!(prune_all(&*scene.store, &policy).await, Pruned::default());
    // The second run has a record for longer than the first one, and with it all entries from its own on.
    let Some(RunState::Ended(end)) = scene.store.find_run(second).await.unwrap().map(|view| view.state)
    else {
        panic!("it has ended")
    };
    assert_eq!(end.log_base, SAID);
    scene.harness.age(2 * DAY).await;
    let gone = prune_all(&*scene.store, &policy).await;
    assert_eq!(gone, Pruned { runs: 2, entries: 2 * SAID.unsigned_abs(), ..Pruned::default() });
    assert_eq!(positions(&*scene.store, "a").await, (2 * SAID + 1..=3 * SAID).collect::<Vec<_>>());
}

pub(crate) async fn entries_that_no_context_needs_go<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let policy = Retention { keys: DAY, history: Some(20 * DAY), sessions: None };
    answered(&scene, message("a"), replica, None).await;
    scene.harness.age(10 * DAY).await;
    answered(&scene, message("a"), replica, None).await;
    let mut claimed = scene.begin("a", replica).await;
    scene.store.append(&mut claimed, &[step("one")], Some(SAID + 2)).await.unwrap();
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    scene.harness.age(2 * DAY).await;
    assert_eq!(prune_all(&*scene.store, &policy).await, runs(2));
    scene.harness.age(9 * DAY).await;
    // Of those before the context, the ones of the first run are older than twenty days.
    assert_eq!(prune_all(&*scene.store, &policy).await, entries(4));
    assert_eq!(positions(&*scene.store, "a").await, (SAID + 1..=2 * SAID + 2).collect::<Vec<_>>());
    scene.harness.age(100 * DAY).await;
    assert_eq!(prune_all(&*scene.store, &policy).await, entries(2));
    let left: Vec<Seq> = (SAID + 3..=2 * SAID + 2).collect();
    assert_eq!(positions(&*scene.store, "a").await, left);
    // Positions and heads are what they were, and the log goes on behind them.
    let view = scene.store.find_session(id("a")).await.unwrap().unwrap();
    assert_eq!((view.log_head, view.context_base, view.messages), (2 * SAID + 2, SAID + 2, 3));
    let mut claimed = scene.begin("a", replica).await;
    assert_eq!((claimed.head(), claimed.context_base), (2 * SAID + 2, SAID + 2));
    scene.store.append(&mut claimed, &[step("three")], None).await.unwrap();
    assert_eq!(positions(&*scene.store, "a").await.last(), Some(&(2 * SAID + 3)));
    let page = scene.store.read_log(id("a"), 0, 2).await.unwrap();
    assert_eq!(
        page.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        left[..2],
        "a page is as long as ever"
    );
}

pub(crate) async fn a_run_that_was_compacted_keeps_all_it_said<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let policy = Retention { keys: DAY, history: Some(10 * DAY), sessions: None };
    answered(&scene, message("a"), replica, None).await;
    // Its context begins in the middle of what it has said.
    answered(&scene, message("a"), replica, Some(2)).await;
    scene.harness.age(11 * DAY).await;
    let gone = prune_all(&*scene.store, &policy).await;
    assert_eq!(gone, Pruned { runs: 1, entries: SAID.unsigned_abs(), ..Pruned::default() });
    assert_eq!(positions(&*scene.store, "a").await, (SAID + 1..=2 * SAID).collect::<Vec<_>>());
    // When it is no longer the newest one, it goes, and what it has kept goes with it.
    answered(&scene, message("a"), replica, None).await;
    scene.harness.age(2 * DAY).await;
    let gone = prune_all(&*scene.store, &policy).await;
    assert_eq!(gone, Pruned { runs: 1, entries: 2, ..Pruned::default() });
}

pub(crate) async fn what_was_before_a_reset_goes<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let policy = Retention { history: Some(Duration::ZERO), ..KEYS };
    answered(&scene, message("a"), replica, None).await;
    assert_eq!(scene.store.reset(id("a")).await.unwrap(), Reset::Done);
    scene.harness.age(2 * KEYS.keys).await;
    assert_eq!(prune_all(&*scene.store, &policy).await, Pruned::default(), "its sender may still ask for it");
    answered(&scene, message("a"), replica, None).await;
    scene.harness.age(2 * KEYS.keys).await;
    let gone = prune_all(&*scene.store, &policy).await;
    assert_eq!(gone, Pruned { runs: 1, entries: SAID.unsigned_abs() + 1, ..Pruned::default() });
    assert_eq!(positions(&*scene.store, "a").await, (SAID + 2..=2 * SAID + 1).collect::<Vec<_>>());
}

pub(crate) async fn an_idle_session_goes_whole<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let policy = Retention { sessions: Some(20 * DAY), ..KEYS };
    let old = answered(&scene, keyed("old", "key"), replica, None).await;
    answered(&scene, message("used"), replica, None).await;
    answered(&scene, message("busy"), replica, None).await;
    scene.queue("busy").await;
    scene.harness.age(15 * DAY).await;
    answered(&scene, message("used"), replica, None).await;
    assert_eq!(prune_all(&*scene.store, &policy).await, runs(1));
    scene.harness.age(6 * DAY).await;
    // A key is not forgotten before its time because its session goes.
    let shy = Retention { keys: 30 * DAY, ..policy };
    assert_eq!(prune_all(&*scene.store, &shy).await, Pruned::default());
    let gone = prune_all(&*scene.store, &policy).await;
    assert_eq!(gone, Pruned { sessions: 1, runs: 1, entries: SAID.unsigned_abs(), more: false });
    assert_eq!(scene.picture("old").await, (None, Vec::new(), Vec::new()));
    assert_eq!(scene.store.find_run(old).await.unwrap(), None);
    for name in ["used", "busy"] {
        assert!(scene.store.find_session(id(name)).await.unwrap().is_some(), "{name}");
    }
    assert_eq!(accept(&*scene.store, keyed("old", "key")).await.0, 1, "its inbox begins anew");
}

pub(crate) async fn a_session_that_comes_back_is_another_one<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let (_process, zombie) = scene.elsewhere().await;
    let replica = scene.replica().await;
    // The zombie holds a lease that others have ended long ago.
    let mut lost = scene.begin("a", zombie).await;
    scene.outlive(zombie).await;
    let mut taken = claim(&*scene.store, replica).await;
    scene.store.append(&mut taken, &[step("one")], None).await.unwrap();
    scene.store.finish(&taken, &end(false)).await.unwrap();
    scene.harness.age(DAY).await;
    assert_eq!(prune_all(&*scene.store, &NOTHING).await.sessions, 1);

    for moment in ["missing", "ready", "running", "idle"] {
        match moment {
            "ready" => drop(scene.queue("a").await),
            "running" => {
                let claimed = claim(&*scene.store, replica).await;
                assert!(claimed.epoch() > taken.epoch() && taken.epoch() > lost.epoch());
                assert_eq!((claimed.head(), claimed.run_base, claimed.context_base), (0, 0, 0));
                taken = claimed;
            }
            "idle" => drop(scene.store.finish(&taken, &end(false)).await.unwrap()),
            _ => {}
        }
        let before = scene.picture("a").await;
        assert_fenced(&scene.store.append(&mut lost, &[step("one")], None).await);
        assert_fenced(&scene.store.finish(&lost, &end(true)).await);
        assert_fenced(&scene.store.release(&lost).await);
        let lease = [(lost.session(), lost.epoch())];
        assert_eq!(scene.store.disown(zombie, &lease).await.unwrap(), 0);
        assert_eq!(scene.picture("a").await, before, "{moment}");
    }
}

pub(crate) async fn a_bound_is_kept_and_everything_goes_in_the_end<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let policy = Retention { keys: DAY, sessions: Some(20 * DAY), history: Some(DAY) };
    for most in [1, 3, 7, ALL] {
        for _ in 0..5 {
            for name in ["old", "used"] {
                answered(&scene, message(name), replica, Some(SAID - 1)).await;
            }
        }
        scene.harness.age(21 * DAY).await;
        answered(&scene, message("used"), replica, None).await;
        let due = scene.store.prunable(&policy).await.unwrap();
        assert_eq!((due.sessions, due.more), (1, false));
        let (mut all, mut rounds) = (Pruned::default(), 0);
        loop {
            let gone = scene.store.prune(&policy, most).await.unwrap();
            let conversation = if gone.sessions > 0 { SAID.unsigned_abs() + 1 } else { 0 };
            assert!(gone.runs + gone.entries <= most as u64 + conversation, "{gone:?} of {most}");
            all += gone;
            rounds += 1;
            assert!(rounds < 200, "it comes to an end");
            if !gone.more {
                break;
            }
        }
        assert_eq!(all, due, "in steps of {most}");
        assert_eq!(scene.store.prunable(&policy).await.unwrap(), Pruned::default());
        assert_eq!(scene.store.prune(&policy, ALL).await.unwrap(), Pruned::default());
        assert!(scene.store.find_session(id("old")).await.unwrap().is_none());
    }
}

pub(crate) async fn nothing_goes_by_itself<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    for _ in 0..2 {
        answered(&scene, message("a"), replica, None).await;
    }
    scene.store.reset(id("a")).await.unwrap();
    let before = scene.picture("a").await;
    for policy in [Retention::default(), Retention { keys: Duration::MAX, ..NOTHING }] {
        assert_eq!(prune_all(&*scene.store, &policy).await, Pruned::default());
        assert_eq!(scene.store.prunable(&policy).await.unwrap(), Pruned::default());
    }
    assert_eq!(scene.store.prune(&NOTHING, 0).await.unwrap(), Pruned { more: true, ..Pruned::default() });
    assert_eq!(scene.picture("a").await, before);
}

/// Turns of each session while everything is deleted as soon as it may be.
const TURNS: usize = 15;

pub(crate) async fn deleting_disturbs_nobody<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let stop = Arc::new(AtomicBool::new(false));
    let pruner = {
        let (store, stop) = (scene.harness.replica_handle().await, Arc::clone(&stop));
        tokio::spawn(async move {
            let mut all = Pruned::default();
            while !stop.load(Ordering::Relaxed) {
                all += store.prune(&NOTHING, 3).await.unwrap();
            }
            all
        })
    };
    let mut senders = Vec::new();
    for n in 0..4 {
        let store = scene.harness.replica_handle().await;
        senders.push(tokio::spawn(async move {
            let (name, replica) = (format!("s{n}"), joined(&*store).await);
            for _ in 0..TURNS {
                converse(&*store, &name, replica).await;
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    assert!(!pruner.await.unwrap().is_empty(), "something was deleted meanwhile");
}

/// Two messages that are answered one after the other under one lease. Whatever is deleted meanwhile, both are.
async fn converse(store: &dyn Store, name: &str, replica: ReplicaId) {
    let first = Accept { claim_for: Some(replica), ..message(name) };
    let mut claimed = accept(store, first).await.1.expect("an idle session is claimed at once");
    let second = message(name);
    let run = second.message;
    accept(store, second).await;
    for _ in 0..2 {
        let base = Some(claimed.head());
        store.append(&mut claimed, &[step("one"), step("two")], base).await.unwrap();
        let last = Finish { keep: true, ..end(true) };
        let Some(next) = store.finish(&claimed, &last).await.unwrap().next else {
            assert_eq!(claimed.run, run);
            return;
        };
        claimed = *next;
    }
    panic!("two messages are two runs");
}
