//! Who lives and who does not, when connections are cut, the network loses everything, and the server goes and comes back.

use std::process::Stdio;
use std::time::{Duration, Instant};

use regrow_protocol::{ReplicaId, ScheduleId};
use regrow_store::postgres::{Options, PostgresStore};
use regrow_store::{Accept, Beat, Fired, Firing, Hint, Next, Replica, Schedule, Store, Tick};
use regrow_testbed::postgres::{Database, Server};
use regrow_testbed::proxy::Proxy;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::conformance::harness::Harness;
use crate::conformance::scene::{accept, assert_fenced, claim, end, joined, key, message, replica, step};
use crate::harness::{PostgresHarness, until};

/// A crash must be seen within this, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The lease where leases run out.
const LEASE: Duration = Duration::from_secs(4);

/// Names the store to the process that is killed.
const HELPER: &str = "REGROW_TEST_MEMBER_OF";

fn options(url: &str, application: &str) -> Options {
    Options::parse(&format!("{url}?application_name={application}"), None).unwrap()
}

async fn open(url: &str, application: &str) -> PostgresStore {
    PostgresStore::open(&options(url, application)).await.unwrap()
}

/// Looks for the dead until this one is among them, and returns all that were found and how long it took.
async fn reaped(store: &PostgresStore, wanted: ReplicaId) -> (Vec<ReplicaId>, Duration) {
    let (begun, mut found) = (Instant::now(), Vec::new());
    until(async || {
        found.extend(store.reap().await.map(|reaped| reaped.replicas).unwrap_or_default());
        found.contains(&wanted).then_some(())
    })
    .await;
    (found, begun.elapsed())
}

/// The answer to the first heartbeat that gets one.
async fn beat(store: &PostgresStore, replica: ReplicaId) -> Beat {
    until(async || store.heartbeat(replica).await.ok()).await
}

#[tokio::test]
async fn a_process_that_is_cut_off_is_taken_over_at_once_and_learns_it() {
    let harness = PostgresHarness::open().await;
    let proxy = Proxy::start(harness.socket()).await.unwrap();
    let cut = open(&harness.url_at_port(proxy.port()), "cut").await;
    let peer = open(&harness.url(), "peer").await;
    let (lost, heir) = (joined(&cut).await, joined(&peer).await);
    let mut held =
        accept(&cut, Accept { claim_for: Some(lost), ..message("a") }).await.1.expect("it is idle");
    assert_eq!(peer.reap().await.unwrap().replicas, []);

    proxy.cut();
    let (found, took) = reaped(&peer, lost).await;
    assert!(found == [lost] && took < AT_ONCE, "{found:?} after {took:?}");
    let taken = claim(&peer, heir).await;
    assert_eq!(taken.run, held.run);
    assert!(cut.heartbeat(lost).await.unwrap_err().is_retryable());

    proxy.pass();
    assert_eq!(beat(&cut, lost).await, Beat::Gone);
    let written = until(async || {
        let written = cut.append(&mut held, &[step("late")], None).await;
        (!matches!(&written, Err(regrow_store::WriteError::Store(_)))).then_some(written)
    });
    assert_fenced(&written.await);
    // It lives on under another id, and is seen to.
    let again = until(async || cut.join(&replica()).await.ok()).await;
    let ids = peer.list_replicas().await.unwrap();
    assert_eq!((again, ids.len()), ((), 2));
    let id = ids.iter().map(|view| view.id).find(|id| *id != heir).unwrap();
    assert_eq!(peer.reap().await.unwrap().replicas, []);
    drop(cut);
    let (found, took) = reaped(&peer, id).await;
    assert!(found == [id] && took < AT_ONCE, "{found:?} after {took:?}");
}

/// A replica in a process of its own, for the next test. It waits to be killed.
#[tokio::test]
#[ignore = "it is a process that another test starts"]
async fn a_process_to_be_killed() {
    let url = std::env::var(HELPER).unwrap();
    let store = open(&url, "helper").await;
    println!("\njoined {}", joined(&store).await);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_process_that_is_killed_is_missed_within_half_a_second() {
    let harness = PostgresHarness::open().await;
    let peer = open(&harness.url(), "peer").await;
    joined(&peer).await;
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut helper = tokio::process::Command::new(std::env::current_exe().unwrap());
        helper.args(["--ignored", "--exact", "--nocapture", "membership::a_process_to_be_killed"]);
        helper.env(HELPER, harness.url()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut helper = helper.spawn().unwrap();
        let mut lines = BufReader::new(helper.stdout.take().unwrap()).lines();
        let id: ReplicaId = loop {
            let line = lines.next_line().await.unwrap().expect("it joins");
            if let Some(id) = line.strip_prefix("joined ") {
                break id.parse().unwrap();
            }
        };
        assert_eq!(peer.reap().await.unwrap().replicas, []);
        helper.start_kill().unwrap();
        took.push(reaped(&peer, id).await.1);
    }
    // One of three may meet a machine that is busy with something else.
    took.sort();
    assert!(took[1] < Duration::from_millis(500), "{took:?}");
}

/// How a server goes.
#[derive(Clone, Copy)]
enum Going {
    InOrder,
    Crashing,
}

/// Three processes, one of which dies while the server is away.
async fn outlive_a_restart(going: Going, away: Duration) {
    let mut server = Server::start_with(&[("fsync", "off")]).await.unwrap();
    let database = server.create_database().await.unwrap();
    let url = database.url();
    let (living, dying, watching) =
        (open(&url, "living").await, open(&url, "dying").await, open(&url, "watching").await);
    let [alive, dead, watcher] =
        [(&living), (&dying), (&watching)].map(|_| Replica { lease: LEASE, ..replica() });
    living.join(&alive).await.unwrap();
    dying.join(&dead).await.unwrap();
    watching.join(&watcher).await.unwrap();
    // What does not wait for the disk is there with the next commit that does.
    accept(&living, message("a")).await;
    match going {
        Going::InOrder => server.stop().await.unwrap(),
        Going::Crashing => server.crash().await.unwrap(),
    }
    drop(dying);
    // Leases run out by the clock alone.
    tokio::time::sleep(away).await;
    server.restart().await.unwrap();

    let mut found = Vec::new();
    until(async || {
        // Looking comes first: whoever has not renewed yet must be excused.
        found.extend(watching.reap().await.map(|reaped| reaped.replicas).unwrap_or_default());
        for (store, id) in [(&watching, watcher.id), (&living, alive.id)] {
            assert_ne!(store.heartbeat(id).await.ok(), Some(Beat::Gone), "it lives");
        }
        found.contains(&dead.id).then_some(())
    })
    .await;
    assert_eq!(found, [dead.id]);
    locks_are_held(&database, 2).await;
    assert!(matches!(beat(&living, alive.id).await, Beat::Alive { .. }));
    drop(living);
    let (found, took) = reaped(&watching, alive.id).await;
    assert!(found == [alive.id] && took < AT_ONCE, "{found:?} after {took:?}");
}

/// Waits until replicas are seen to live by locks of this life of the server.
async fn locks_are_held(database: &Database, count: i64) {
    let client = database.connect().await.unwrap();
    let held =
        "SELECT count(*) FROM regrow.replicas WHERE locked_in = pg_postmaster_start_time() AND lock_key IN (
        SELECT (classid::int8 << 32) | objid::int8 FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    until(async || (client.query_one(held, &[]).await.unwrap().get::<_, i64>(0) == count).then_some(()))
        .await;
}

#[tokio::test]
async fn after_a_restart_the_living_stay_and_the_dead_go() {
    outlive_a_restart(Going::InOrder, Duration::ZERO).await;
}

#[tokio::test]
async fn after_a_crash_of_the_server_the_living_stay_and_the_dead_go() {
    outlive_a_restart(Going::Crashing, Duration::ZERO).await;
}

#[tokio::test]
async fn a_lease_that_ran_out_while_the_server_was_away_is_excused() {
    outlive_a_restart(Going::InOrder, LEASE + Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_loses_everything_is_noticed_in_time_and_outlived() {
    let harness = PostgresHarness::open().await;
    let proxy = Proxy::start(harness.socket()).await.unwrap();
    let mut options = options(&harness.url_at_port(proxy.port()), "lost");
    options.patience = Duration::from_secs(1);
    let store = PostgresStore::open(&options).await.unwrap();
    let id = joined(&store).await;
    assert!(matches!(store.heartbeat(id).await.unwrap(), Beat::Alive { .. }));

    proxy.black_hole();
    let begun = Instant::now();
    let accepts =
        futures_util::future::join_all((0..40).map(|n| store.accept(message(&format!("lost-{n}")))));
    let (beat_answer, accepts) = tokio::join!(store.heartbeat(id), accepts);
    assert!(beat_answer.unwrap_err().is_retryable());
    assert!(accepts.into_iter().all(|answer| answer.is_err_and(|error| error.is_retryable())));
    assert!(begun.elapsed() < options.patience * 4, "{:?}", begun.elapsed());

    proxy.pass();
    let begun = Instant::now();
    beat(&store, id).await;
    until(async || {
        let accepts = (0..40).map(|n| store.accept(message(&format!("back-{n}"))));
        futures_util::future::join_all(accepts).await.iter().all(Result::is_ok).then_some(())
    })
    .await;
    assert!(begun.elapsed() < options.patience * 4, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_ends_every_connection_they_come_back() {
    let harness = PostgresHarness::open().await;
    let (store, other) = (open(&harness.url(), "ended").await, open(&harness.url(), "other").await);
    let id = joined(&store).await;
    joined(&other).await;
    let mut hints = store.hints();
    let accepts = |round: usize| {
        let asked = (0..40).map(move |n| message(&format!("{round}-{n}")));
        futures_util::future::join_all(asked.map(|message| store.accept(message)))
    };
    assert!(accepts(0).await.iter().all(Result::is_ok));
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ended'
        AND datname = current_database()";
    let ended: i64 = harness.client.query_one(cut, &[]).await.unwrap().get(0);
    assert!(ended > 3, "only {ended} connections");
    let begun = Instant::now();
    let mut round = 0;
    until(async || {
        round += 1;
        accepts(round).await.iter().all(Result::is_ok).then_some(())
    })
    .await;
    beat(&store, id).await;
    locks_are_held(harness.database(), 2).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // It hears others again. Its own hints came before.
    while hints.try_recv().is_ok() {}
    let far = joined(&other).await;
    let mut round = 0;
    until(async || {
        round += 1;
        let heard = Accept { claim_for: Some(far), ..message(&format!("heard-{round}")) };
        let claimed = accept(&other, heard).await.1.expect("it is idle");
        other.finish(&claimed, &end(false)).await.unwrap();
        let is_heard = |hint| matches!(hint, Hint::Session(_));
        std::iter::from_fn(|| hints.try_recv().ok()).any(is_heard).then_some(())
    })
    .await;
}

/// A transaction of several statements locks rows. If its process is cut off in the middle of it, the server must not wait
/// for it.
#[tokio::test]
async fn a_firing_that_is_cut_off_half_way_does_not_hold_its_schedule() {
    let harness = PostgresHarness::open().await;
    let proxy = Proxy::start(harness.socket()).await.unwrap();
    let cut = open(&harness.url_at_port(proxy.port()), "cut").await;
    let peer = open(&harness.url(), "peer").await;
    let schedule = Schedule {
        id: ScheduleId::from("a".to_owned()),
        session: key("a"),
        spec: "{}".to_owned(),
        body: Vec::new(),
        due_at: Some(1),
    };
    let revision = peer.put_schedule(&schedule, None).await.unwrap().unwrap();
    let firing = Firing {
        schedule: schedule.id,
        revision,
        message: regrow_protocol::RunId::new(),
        cap: 10,
        tick: Some(Tick { due_at: 1, next: Next::Never, if_full: None }),
    };
    // Slow enough to be met in the middle.
    proxy.delay(Duration::from_millis(250));
    let half = tokio::spawn({
        let firing = firing.clone();
        async move { cut.fire(&firing).await }
    });
    let free = "SELECT count(*) FROM (SELECT FROM regrow.schedules FOR UPDATE SKIP LOCKED) s";
    until(async || (harness.client.query_one(free, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(()))
        .await;
    proxy.black_hole();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'cut' AND state = 'idle in transaction'";
    until(async || (harness.client.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(()))
        .await;
    let fired = until(async || peer.fire(&firing).await.ok()).await;
    assert!(matches!(fired, Fired::Accepted { seq: 1, .. }), "{fired:?}");
    assert!(half.await.unwrap().is_err());
}
