//! Aborting a run and starting a conversation afresh.

use regrow_protocol::{EntryKind, RunId};
use regrow_store::{Beat, Control, Reset, RunState};

use super::harness::Harness;
use super::scene::{Scene, claim, end, id, step};

pub(crate) async fn a_running_run_learns_of_its_abort_by_every_way<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    let control = scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
    assert_eq!(control, Control { abort: false });
    let view = scene.harness.replica_handle().await.abort(claimed.run).await.unwrap().unwrap();
    assert!(matches!(view.state, RunState::Running { replica: owner, .. } if owner == replica), "{view:?}");
    let mut lost = claimed.clone();
    for claimed in [&mut lost, &mut claimed] {
        let control = scene.store.append(claimed, &[step("two")], None).await.unwrap();
        assert_eq!(control, Control { abort: true });
    }
    assert!(matches!(scene.store.heartbeat(replica).await.unwrap(), Beat::Alive { lanes } if lanes[0].abort));
    scene.queue("a").await;
    let mut next = *scene.store.finish(&claimed, &end(true)).await.unwrap().next.unwrap();
    assert!(!next.message.aborted, "the next run is another one");
    let control = scene.store.append(&mut next, &[step("one")], None).await.unwrap();
    assert_eq!(control, Control { abort: false });
}

pub(crate) async fn a_queued_run_learns_of_its_abort_when_it_begins<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    for (name, keep) in [("kept", true), ("claimed", false)] {
        let mut claimed = scene.begin(name, replica).await;
        let queued = scene.queue(name).await;
        let view = scene.store.abort(queued).await.unwrap().unwrap();
        assert_eq!(view.state, RunState::Queued { ahead: 1 }, "{name}");
        let control = scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
        assert_eq!(control, Control { abort: false }, "{name}");
        let next = scene.store.finish(&claimed, &end(keep)).await.unwrap().next;
        let mut next = match next {
            Some(next) => *next,
            None => claim(&*scene.store, replica).await,
        };
        assert!(next.run == queued && next.message.aborted, "{name}");
        let control = scene.store.append(&mut next, &[step("one")], None).await.unwrap();
        assert_eq!(control, Control { abort: true }, "{name}");
    }
}

pub(crate) async fn an_abort_survives_a_takeover<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [owner, heir] = [scene.replica().await, scene.replica().await];
    let claimed = scene.begin("a", owner).await;
    scene.store.abort(claimed.run).await.unwrap();
    scene.outlive(owner).await;
    let mut next = claim(&*scene.store, heir).await;
    assert!(next.message.aborted);
    let control = scene.store.append(&mut next, &[step("one")], None).await.unwrap();
    assert_eq!(control, Control { abort: true });
}

pub(crate) async fn an_ended_run_stays_as_it_is<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let claimed = scene.begin("a", replica).await;
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    let before = scene.picture("a").await;
    let view = scene.store.abort(claimed.run).await.unwrap();
    assert!(matches!(&view, Some(view) if matches!(view.state, RunState::Ended(_))), "{view:?}");
    assert_eq!(scene.picture("a").await, before);
    assert!(!scene.begin("a", replica).await.message.aborted);
}

pub(crate) async fn an_unknown_run_is_nothing<H: Harness>() {
    let scene = Scene::<H>::open().await;
    assert_eq!(scene.store.abort(RunId::new()).await.unwrap(), None);
    assert_eq!(scene.store.find_run(RunId::new()).await.unwrap(), None);
}

pub(crate) async fn resetting_an_idle_session_moves_its_context<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let claimed = scene.begin("a", replica).await;
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    assert_eq!(scene.store.reset(id("a")).await.unwrap(), Reset::Done);
    let log = scene.store.read_log(id("a"), 0, 10).await.unwrap();
    assert_eq!(
        log.iter().map(|entry| (entry.seq, entry.kind)).collect::<Vec<_>>(),
        [(1, EntryKind::Final), (2, EntryKind::Reset)]
    );
    assert!(log[1].epoch > claimed.epoch());
    let next = scene.begin("a", replica).await;
    assert_eq!((next.head(), next.run_base, next.context_base), (2, 2, 2));
    assert!(next.epoch() > log[1].epoch);
}

pub(crate) async fn resetting_a_busy_session_changes_nothing<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    scene.begin("running", replica).await;
    scene.queue("ready").await;
    for name in ["running", "ready"] {
        let before = scene.picture(name).await;
        assert_eq!(scene.store.reset(id(name)).await.unwrap(), Reset::Busy, "{name}");
        assert_eq!(scene.picture(name).await, before, "{name}");
    }
}

pub(crate) async fn resetting_a_missing_session_makes_none<H: Harness>() {
    let scene = Scene::<H>::open().await;
    assert_eq!(scene.store.reset(id("a")).await.unwrap(), Reset::Missing);
    assert_eq!(scene.store.find_session(id("a")).await.unwrap(), None);
}
