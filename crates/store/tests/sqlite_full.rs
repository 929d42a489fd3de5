//! A file that cannot grow: what was acknowledged stays, what does not fit is refused, and all is well once there is room.
//!
//! The limit on the size of files holds for the whole process, so this test is a program of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a panic is the report")]

use std::fs;

use regrow_protocol::{RunId, SessionId, SessionKey};
use regrow_store::sqlite::{Options, SqliteStore};
use regrow_store::{Accept, Accepted, Error, Store};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Bytes of a message: a few of them fill the room that is left.
const BODY: usize = 64 * 1024;

/// Messages after which the limit must have been met.
const ENOUGH: usize = 200;

fn message(session: &SessionKey) -> Accept {
    Accept {
        session: session.clone(),
        message: RunId::new(),
        dedupe: None,
        fingerprint: 0,
        body: vec![7; BODY],
        cap: 10_000,
        claim_for: None,
    }
}

/// Sets the soft limit, which this process may raise again.
fn limit_files(bytes: Option<u64>) {
    let hard = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(hard), maximum: hard }).unwrap();
}

async fn fill(store: &SqliteStore, session: &SessionKey) -> (i64, Accept, Error) {
    for accepted in 0.. {
        assert!(accepted < ENOUGH, "the limit was never met");
        let message = message(session);
        match store.accept(message.clone()).await {
            Ok(Accepted::New { .. }) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (i64::try_from(accepted).unwrap(), message, error),
        }
    }
    unreachable!("the loop ends by itself")
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    // Without a handler the kernel ends a process that writes past the limit.
    let _ignored = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&Options::new(&path)).unwrap();
    let session: SessionKey = "agent:main:a".parse().unwrap();
    store.accept(message(&session)).await.unwrap();
    store.try_commit().await.unwrap();

    let log = fs::metadata(path.with_extension("db-wal")).unwrap().len();
    limit_files(Some(log + 10 * BODY as u64));
    let (accepted, refused, error) = fill(&store, &session).await;
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let id = SessionId::of(&session);
    assert_eq!(store.find_session(id).await.unwrap().unwrap().messages, accepted + 1);
    assert!(store.accept(message(&session)).await.is_err_and(|error| error.is_retryable()));
    assert!(store.try_commit().await.is_err_and(|error| error.is_retryable()), "it needs as much room");

    limit_files(None);
    store.try_commit().await.unwrap();
    let answer = store.accept(refused).await.unwrap();
    assert!(matches!(answer, Accepted::New { seq, .. } if seq == accepted + 2), "{answer:?}");
    drop(store);
    let reopened = SqliteStore::open(&Options::new(&path)).unwrap();
    assert_eq!(reopened.find_session(id).await.unwrap().unwrap().waiting, accepted + 2);
}
