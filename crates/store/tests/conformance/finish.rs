//! Finishing: all or nothing, and the same answer however often it is repeated.

use regrow_protocol::EntryKind;
use regrow_store::{Accept, Finish, RunEnd, RunState, RunStatus};

use super::harness::Harness;
use super::scene::{Scene, accept, assert_fenced, claim, end, entry, grant, id, message, step};

pub(crate) async fn an_ended_run_is_recorded<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let first = scene.begin("a", replica).await;
    scene.store.finish(&first, &end(false)).await.unwrap();
    let mut claimed = scene.begin("a", replica).await;
    scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
    let entries = vec![step("two"), entry(EntryKind::Final, "answer")];
    let finish = Finish { entries, usage: r#"{"input":1}"#.to_owned(), ..end(true) };
    assert!(scene.store.finish(&claimed, &finish).await.unwrap().next.is_none());
    let view = scene.store.find_run(claimed.run).await.unwrap().unwrap();
    let RunState::Ended(RunEnd { status, log_base, log_head, error, usage, .. }) = view.state else {
        panic!("not ended: {view:?}");
    };
    assert_eq!((status, log_base, log_head, error), (RunStatus::Done, 1, 4, None));
    assert_eq!((usage, view.accepted_at), (finish.usage, claimed.message.accepted_at));
    let session = scene.store.find_session(id("a")).await.unwrap().unwrap();
    assert_eq!((session.waiting, session.messages, session.log_head), (0, 2, 4));
}

pub(crate) async fn every_status_reads_back<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let failed = (RunStatus::Failed, Some("no model answers".to_owned()));
    for (status, error) in [(RunStatus::Done, None), failed, (RunStatus::Aborted, None)] {
        let claimed = scene.begin("a", replica).await;
        let finish = Finish { status, error: error.clone(), ..end(false) };
        scene.store.finish(&claimed, &finish).await.unwrap();
        let view = scene.store.find_run(claimed.run).await.unwrap().unwrap();
        assert!(matches!(view.state, RunState::Ended(end) if end.status == status && end.error == error));
    }
}

pub(crate) async fn the_lease_is_kept_given_up_or_dropped<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    for (name, keep, mail) in [("keep", true, true), ("give up", false, true), ("drop", true, false)] {
        let claimed = scene.begin(name, replica).await;
        let waiting = if mail { Some(scene.queue(name).await) } else { None };
        let next = scene.store.finish(&claimed, &end(keep)).await.unwrap().next;
        assert_eq!(next.as_ref().map(|next| next.run), waiting.filter(|_| keep), "{name}");
        let ready = scene.store.claim(replica, 10).await.unwrap();
        assert_eq!(ready.first().map(|ready| ready.run), waiting.filter(|_| !keep), "{name}");
        assert_fenced(&scene.store.release(&claimed).await);
    }
}

pub(crate) async fn a_repeated_finish_has_the_same_answer<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    for (name, keep, mail) in [("keep", true, true), ("give up", false, true), ("drop", true, false)] {
        let mut claimed = scene.begin(name, replica).await;
        scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
        if mail {
            scene.queue(name).await;
        }
        let first = scene.store.finish(&claimed, &end(keep)).await.unwrap();
        let before = scene.picture(name).await;
        for _ in 0..2 {
            let again = scene.store.finish(&claimed, &end(keep)).await.unwrap();
            assert_eq!(again.next.as_deref().map(grant), first.next.as_deref().map(grant), "{name}");
        }
        assert_eq!(scene.picture(name).await, before, "{name}");
    }
}

/// Two holders of one lease in one process would each execute its steps.
pub(crate) async fn another_end_of_the_same_lease_is_fenced<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let claimed = scene.begin("a", replica).await;
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    let before = scene.picture("a").await;
    let others = [
        Finish { status: RunStatus::Failed, ..end(false) },
        Finish { entries: vec![entry(EntryKind::Final, "something else")], ..end(false) },
        Finish { entries: vec![step("one"), entry(EntryKind::Final, "answer")], ..end(false) },
    ];
    for other in others {
        assert_fenced(&scene.store.finish(&claimed, &other).await);
    }
    assert_eq!(scene.picture("a").await, before);
}

pub(crate) async fn a_repeated_finish_never_hands_out_a_lease_of_another_claim<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;

    let claimed = scene.begin("given up", replica).await;
    scene.queue("given up").await;
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    claim(&*scene.store, replica).await;
    assert!(scene.store.finish(&claimed, &end(false)).await.unwrap().next.is_none());

    let claimed = scene.begin("idle", replica).await;
    scene.store.finish(&claimed, &end(true)).await.unwrap();
    scene.begin("idle", replica).await;
    assert!(scene.store.finish(&claimed, &end(true)).await.unwrap().next.is_none());

    let claimed = scene.begin("kept", replica).await;
    scene.queue("kept").await;
    let next = scene.store.finish(&claimed, &end(true)).await.unwrap().next.unwrap();
    scene.store.release(&next).await.unwrap();
    claim(&*scene.store, replica).await;
    assert!(scene.store.finish(&claimed, &end(true)).await.unwrap().next.is_none());
}

pub(crate) async fn a_kept_lease_is_a_new_lease<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    let question = Accept { body: b"second".to_vec(), ..message("a") };
    accept(&*scene.store, question).await;
    let mut next = *scene.store.finish(&claimed, &end(true)).await.unwrap().next.unwrap();
    assert!(next.epoch() > claimed.epoch());
    assert_eq!((next.attempt, next.head(), next.run_base), (1, 1, 1));
    assert_eq!((&*next.message.body, next.message.seq), (&b"second"[..], 2));
    assert_fenced(&scene.store.append(&mut claimed, &[step("late")], None).await);
    assert_fenced(&scene.store.release(&claimed).await);
    scene.store.append(&mut next, &[step("one")], None).await.unwrap();
    scene.store.finish(&next, &end(true)).await.unwrap();
}
