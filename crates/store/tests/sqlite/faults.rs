//! A file that cannot be used for a while, or at all: the caller can tell, and the store works again when it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use regrow_protocol::ReplicaId;
use regrow_store::sqlite::{Options, SqliteStore};
use regrow_store::{Accept, Accepted, Beat, Error, Reaped, Store};

use crate::conformance::scene::{LEASE, accept, claim, end, id, joined, keyed, message};
use crate::harness::SqliteHarness;

#[tokio::test]
async fn a_place_that_cannot_hold_the_file_is_unavailable() {
    let harness = SqliteHarness::new();
    let occupied = harness.path().with_file_name("occupied");
    std::fs::write(&occupied, "a file").unwrap();
    let directory = harness.path().with_file_name("directory.db");
    std::fs::create_dir(&directory).unwrap();
    for path in [occupied.join("store.db"), "/proc/regrow/store.db".into(), directory] {
        let mut options = harness.options();
        options.path = path.clone();
        let error = SqliteStore::open(&options).unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains(&*path.parent().unwrap().to_string_lossy()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_holds_the_file_makes_others_unavailable_and_is_outlived() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    accept(&store, keyed("a", "first")).await;
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = keyed("a", "second");
    let error = store.accept(refused.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("holds the database")), "{error:?}");
    // Readers need no writer.
    assert_eq!(store.find_session(id("a")).await.unwrap().unwrap().messages, 1);
    blocker.execute_batch("COMMIT").unwrap();
    assert_eq!(accept(&store, Accept { cap: 2, ..refused }).await.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_waited_too_long_is_refused_and_not_done() {
    let harness = SqliteHarness::new();
    let mut options = harness.options();
    options.patience = Duration::from_millis(20);
    let store = SqliteStore::open(&options).unwrap();
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The passing of time is what is tested: the thread takes the first intent and waits for the file with it; the
    // second stays in the queue for longer than it may.
    let mut first = store.accept(message("first"));
    assert!((&mut first).now_or_never().is_none());
    tokio::time::sleep(10 * options.patience).await;
    let mut second = store.accept(message("second"));
    assert!((&mut second).now_or_never().is_none());
    tokio::time::sleep(10 * options.patience).await;
    blocker.execute_batch("COMMIT").unwrap();
    let answer = second.await;
    assert!(matches!(&answer, Err(Error::Unavailable(why)) if why.contains("busy")), "{answer:?}");
    assert!(matches!(first.await.unwrap(), Accepted::New { seq: 1, .. }));
    assert_eq!(store.find_session(id("second")).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_does_not_stand_in_the_way_of_others() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let replica = joined(&store).await;
    accept(&store, message("unreadable")).await;
    accept(&store, message("good")).await;
    let newer = "UPDATE lanes SET key = 'a form of a newer release' WHERE session = ?1";
    assert_eq!(harness.connection().execute(newer, [id("unreadable").as_bytes()]).unwrap(), 1);
    assert_eq!(claim(&store, replica).await.session(), id("good"));
}

#[tokio::test]
async fn a_session_that_is_ready_for_nothing_becomes_idle() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let replica = joined(&store).await;
    for name in ["a", "b"] {
        accept(&store, message(name)).await;
    }
    let connection = harness.connection();
    connection.execute("DELETE FROM inbox WHERE session = ?1", [id("a").as_bytes()]).unwrap();
    assert_eq!(claim(&store, replica).await.session(), id("b"));
    let Beat::Alive { lanes } = store.heartbeat(replica).await.unwrap() else { panic!("gone") };
    assert_eq!(lanes.iter().map(|lane| lane.session).collect::<Vec<_>>(), [id("b")]);
    assert_eq!(store.load().await.unwrap().ready, 0);
    // It can be used again.
    let again = Accept { claim_for: Some(replica), ..message("a") };
    let claimed = accept(&store, again.clone()).await.1.unwrap();
    assert_eq!(
        (claimed.run, store.find_session(id("a")).await.unwrap().unwrap().waiting),
        (again.message, 1)
    );
}

#[tokio::test]
async fn a_path_too_long_for_sockets_only_costs_the_hints() {
    let harness = SqliteHarness::new();
    let mut options = harness.options();
    options.path = harness.path().with_file_name("long".repeat(30)).join("store.db");
    let store = SqliteStore::open(&options).unwrap();
    let replica = joined(&store).await;
    accept(&store, message("a")).await;
    assert_eq!(claim(&store, replica).await.session(), id("a"));
}

#[tokio::test]
async fn what_was_answered_is_not_stored_twice() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let replica = joined(&store).await;
    for (name, length, kept) in [("large", 100_000, 0), ("small", 100, 100)] {
        let asked = Accept { body: vec![b'x'; length], claim_for: Some(replica), ..message(name) };
        let claimed = accept(&store, asked).await.1.unwrap();
        store.finish(&claimed, &end(false)).await.unwrap();
        let sql = "SELECT length(body) FROM inbox WHERE session = ?1";
        let stored: i64 =
            harness.connection().query_row(sql, [id(name).as_bytes()], |row| row.get(0)).unwrap();
        assert_eq!(stored, kept, "{name}");
    }
}

#[tokio::test]
async fn after_the_clock_was_set_forward_whoever_lives_has_time_to_renew() {
    let harness = SqliteHarness::new();
    let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
    let (wall, mut options) = (Arc::clone(&clock), harness.options());
    options.clock = Arc::new(move || wall.load(Ordering::SeqCst));
    options.monotonic = Options::new(harness.path()).monotonic;
    let [store, peers] = [(); 2].map(|()| SqliteStore::open(&options).unwrap());
    let living = joined(&peers).await;
    assert_eq!(store.reap().await.unwrap(), Reaped::default());
    clock.fetch_add(2 * i64::try_from(LEASE.as_millis()).unwrap(), Ordering::SeqCst);
    assert_eq!(store.reap().await.unwrap(), Reaped::default());
    assert!(matches!(peers.heartbeat(living).await.unwrap(), Beat::Alive { .. }));
}

/// A heartbeat that waits for another process, long enough to be noticed; `meanwhile` is done in that time.
async fn slow_beat(
    harness: &SqliteHarness,
    store: &SqliteStore,
    replica: ReplicaId,
    meanwhile: impl FnOnce(),
) {
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let release = async {
        // The passing of time is what is tested.
        tokio::time::sleep(Duration::from_millis(600)).await;
        meanwhile();
        blocker.execute_batch("COMMIT").unwrap();
    };
    let (beat, ()) = tokio::join!(store.heartbeat(replica), release);
    assert!(matches!(beat.unwrap(), Beat::Alive { .. }));
}

#[tokio::test]
async fn a_replica_that_hangs_is_found_out_although_every_write_is_slow() {
    let harness = SqliteHarness::new();
    let [store, peers] = [(); 2].map(|()| SqliteStore::open(&harness.options()).unwrap());
    let (living, hanging) = (joined(&store).await, joined(&peers).await);
    harness.pass(LEASE);
    slow_beat(&harness, &store, living, || {}).await;
    assert_eq!(store.reap().await.unwrap().replicas, [hanging]);
}

#[tokio::test]
async fn whoever_could_not_renew_because_nobody_could_write_has_time_to_do_so() {
    let harness = SqliteHarness::new();
    let [store, peers] = [(); 2].map(|()| SqliteStore::open(&harness.options()).unwrap());
    let (living, waiting) = (joined(&store).await, joined(&peers).await);
    slow_beat(&harness, &store, living, || harness.pass(LEASE)).await;
    assert_eq!(store.reap().await.unwrap(), Reaped::default());
    harness.pass(LEASE / 2);
    assert_eq!(store.reap().await.unwrap().replicas, [waiting], "it has had its time");
}

#[tokio::test]
async fn a_store_that_refuses_at_once_is_no_reason_to_give_up_those_who_live() {
    let harness = SqliteHarness::new();
    let [store, peers] = [(); 2].map(|()| SqliteStore::open(&harness.options()).unwrap());
    let (living, waiting) = (joined(&store).await, joined(&peers).await);
    harness.connection().execute_batch("ALTER TABLE replicas RENAME TO elsewhere").unwrap();
    store.heartbeat(living).await.unwrap_err();
    harness.pass(LEASE);
    harness.connection().execute_batch("ALTER TABLE elsewhere RENAME TO replicas").unwrap();
    assert!(matches!(store.heartbeat(living).await.unwrap(), Beat::Alive { .. }));
    assert_eq!(store.reap().await.unwrap(), Reaped::default());
    assert!(matches!(peers.heartbeat(waiting).await.unwrap(), Beat::Alive { .. }));
}
