//! Appending: under the guard or not at all, and once however often it is repeated.

use regrow_protocol::EntryKind;

use super::harness::Harness;
use super::scene::{Scene, assert_fenced, claim, end, entry, id, step};

pub(crate) async fn entries_stand_as_they_were_written<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    let kinds = [EntryKind::User, EntryKind::ToolStarted, EntryKind::Unknown(200)];
    let batch: Vec<_> = kinds.iter().map(|kind| entry(*kind, "\0 text")).collect();
    scene.store.append(&mut claimed, &batch[..1], None).await.unwrap();
    scene.store.append(&mut claimed, &batch[1..], None).await.unwrap();
    assert_eq!(claimed.head(), 3);
    let log = scene.store.read_log(id("a"), 0, 10).await.unwrap();
    for ((seq, want), got) in (1..).zip(&batch).zip(&log) {
        assert_eq!((got.seq, got.run, got.epoch), (seq, claimed.run, claimed.epoch()));
        assert_eq!((got.kind, &got.payload), (want.kind, &want.payload));
    }
    assert_eq!(log.len(), 3);
}

pub(crate) async fn a_repeated_append_is_written_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    for batch in [vec![step("one")], vec![step("two"), step("three")]] {
        let mut lost = claimed.clone();
        scene.store.append(&mut lost, &batch, None).await.unwrap();
        let before = scene.picture("a").await;
        scene.store.append(&mut claimed, &batch, None).await.unwrap();
        assert_eq!(claimed.head(), lost.head());
        assert_eq!(scene.picture("a").await, before);
    }
    scene.store.append(&mut claimed, &[step("four")], None).await.unwrap();
    scene.store.finish(&claimed, &end(false)).await.unwrap();
}

/// `Ok` promises that these very entries are in the log.
pub(crate) async fn something_else_on_a_stale_head_is_fenced<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    let stale = claimed.clone();
    scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
    let mut ahead = claimed.clone();
    let longer = [step("one"), step("two")];
    for batch in [&[step("another")][..], &[entry(EntryKind::User, "one")], &longer] {
        let (mut stale, before) = (stale.clone(), scene.picture("a").await);
        assert_fenced(&scene.store.append(&mut stale, batch, None).await);
        assert_eq!(stale.head(), 0, "a lease that was refused stays where it was");
        assert_eq!(scene.picture("a").await, before);
    }
    scene.store.append(&mut ahead, &[step("two")], None).await.unwrap();
    assert_fenced(&scene.store.append(&mut stale.clone(), &[step("one")], None).await);
    assert_fenced(&scene.store.finish(&stale, &end(false)).await);
}

pub(crate) async fn progress_resets_the_attempts<H: Harness>() {
    let scene = Scene::<H>::open().await;
    for (steps, want) in [(0, 2), (1, 1), (0, 2), (0, 3)] {
        let replica = scene.replica().await;
        let mut claimed = match scene.picture("a").await.0 {
            None => scene.begin("a", replica).await,
            Some(_) => claim(&*scene.store, replica).await,
        };
        for _ in 0..steps {
            scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
        }
        scene.store.leave(replica).await.unwrap();
        let witness = scene.replica().await;
        let next = claim(&*scene.store, witness).await;
        assert_eq!(next.attempt, want);
        // Giving it back is not an attempt.
        scene.store.release(&next).await.unwrap();
    }
}

pub(crate) async fn the_context_moves_with_the_entries<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
    scene.store.append(&mut claimed, &[entry(EntryKind::Compaction, "sum")], Some(1)).await.unwrap();
    assert_eq!(claimed.context_base, 1);
    scene.store.append(&mut claimed, &[step("two")], None).await.unwrap();
    assert_eq!(scene.store.find_session(id("a")).await.unwrap().unwrap().context_base, 1);
    scene.queue("a").await;
    let next = scene.store.finish(&claimed, &end(true)).await.unwrap().next.unwrap();
    assert_eq!(next.context_base, 1);
    let mut zombie = claimed.clone();
    assert_fenced(&scene.store.append(&mut zombie, &[step("three")], Some(3)).await);
    assert_eq!(scene.store.find_session(id("a")).await.unwrap().unwrap().context_base, 1);
}
