//! Deleting from the command line what was kept long enough.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regrow_protocol::{EntryKind, ReplicaId, RunId, SessionKey};
use regrow_store::sqlite::{Options, SqliteStore};
use regrow_store::{Accept, Accepted, Finish, NewEntry, Replica, RunStatus, Store};

use crate::scene::run;

const DAY: i64 = 86_400_000;

/// Fills a store as if it had been used for a while: `(session, days ago)` for each answered message.
async fn use_for_a_while(path: &Path, turns: &[(&str, i64)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    let clock = Arc::new(AtomicI64::new(now - 100 * DAY));
    let ticks = Arc::clone(&clock);
    let options = Options { clock: Arc::new(move || ticks.load(Ordering::SeqCst)), ..Options::new(path) };
    let store = SqliteStore::open(&options).unwrap();
    let (id, lease) = (ReplicaId::new(), Duration::from_secs(1_000 * 86_400));
    let (address, version) = (String::new(), String::new());
    store.join(&Replica { id, address, version, slots: 1, lease }).await.unwrap();
    for (session, days) in turns {
        clock.store(now - days * DAY, Ordering::SeqCst);
        let message = Accept {
            session: SessionKey::from_caller(session, "main").unwrap(),
            message: RunId::new(),
            dedupe: None,
            fingerprint: 0,
            body: b"{}".to_vec(),
            cap: 1,
            claim_for: Some(id),
        };
        let claimed = match store.accept(message).await.unwrap() {
            Accepted::New { claimed, .. } => claimed,
            Accepted::Duplicate { .. } | Accepted::Full { .. } => None,
        };
        let claimed = claimed.expect("an idle session is claimed at once");
        let last = NewEntry { kind: EntryKind::Final, payload: b"{}".to_vec() };
        let (status, usage) = (RunStatus::Done, "{}".to_owned());
        let finish = Finish { entries: vec![last], status, error: None, usage, keep: false };
        store.finish(&claimed, &finish).await.unwrap();
    }
    store.leave(id).await.unwrap();
}

#[tokio::test]
async fn what_was_kept_long_enough_is_counted_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let path = directory.path().join("regrow.db");
    let turns: Vec<(&str, i64)> =
        (0..1_200).map(|_| ("long", 50)).chain([("long", 1), ("old", 40)]).collect();
    use_for_a_while(&path, &turns).await;
    let config = directory.path().join("openclaw.json");
    std::fs::write(config, "{ regrow: { retention: { keysDays: 60 } } }").unwrap();
    let prune = async |more: &[&str]| {
        let own = ["prune", "--state-dir", state];
        let output = run(own.iter().chain(more)).await;
        assert_eq!(output.code, Some(0), "{output:?}");
        output
    };
    assert_eq!(prune(&["--json"]).await.json()[0]["runs"], 0, "the configuration says so");
    let flags = ["--json", "--keys-days", "30", "--sessions-days", "30"];
    let counted = prune(&[&flags[..], &["--dry-run"]].concat()).await.json();
    assert_eq!((&counted[0]["runs"], &counted[0]["sessions"]), (&1_201.into(), &1.into()));
    assert_eq!(counted[0]["dryRun"], true);
    let deleted = prune(&flags).await.json();
    assert_eq!(deleted[0]["dryRun"], false);
    for what in ["runs", "sessions", "entries"] {
        assert_eq!(deleted[0][what], counted[0][what]);
    }
    let table = prune(&flags[1..]).await.out;
    assert!(table.starts_with("DELETED") && table.contains("conversations"), "{table}");
    let left = run(["sessions", "list", "--json", "--state-dir", state]).await.json();
    assert_eq!((left.len(), &left[0]["key"]), (1, &"agent:main:long".into()));
    assert_ne!(run(["prune", "--state-dir", state, "--keys-days", "0"]).await.code, Some(0));
}
