//! Taking over: whoever is gone loses its sessions, and nothing that it still tries has an effect.

use std::time::Duration;

use regrow_store::{Beat, Claimed, Finish, Loss, Reaped, Replica};

use super::harness::Harness;
use super::scene::{LEASE, Scene, assert_fenced, claim, end, grant, replica, step};

/// Long for a case, short for a lease.
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn an_expired_owner_is_taken_over<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let (_other, lapsed) = scene.elsewhere().await;
    let replica = scene.replica().await;
    let claimed = scene.begin("a", lapsed).await;
    scene.begin("b", replica).await;
    scene.harness.lapse(lapsed).await;
    assert_eq!(scene.store.reap().await.unwrap(), Reaped { replicas: vec![lapsed], lanes: 1 });
    assert_eq!(claim(&*scene.store, replica).await.run, claimed.run);
}

pub(crate) async fn a_crashed_owner_is_taken_over_at_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let (other, crashed) = scene.elsewhere().await;
    let claimed = scene.begin("a", crashed).await;
    scene.harness.crash(other).await;
    assert_eq!(scene.store.reap().await.unwrap(), Reaped { replicas: vec![crashed], lanes: 1 });
    assert_eq!(claim(&*scene.store, replica).await.run, claimed.run);
    assert_eq!(scene.store.reap().await.unwrap(), Reaped::default());
}

pub(crate) async fn nothing_dead_is_nothing_reaped<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let (other, _) = scene.elsewhere().await;
    scene.begin("a", replica).await;
    let before = scene.picture("a").await;
    for store in [&scene.store, &other] {
        assert_eq!(store.reap().await.unwrap(), Reaped::default());
    }
    assert_eq!(scene.picture("a").await, before);
}

pub(crate) async fn two_reapers_reap_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let (first, _) = scene.elsewhere().await;
    let (second, _) = scene.elsewhere().await;
    let lapsed = scene.replica().await;
    let claimed = scene.begin("a", lapsed).await;
    scene.harness.lapse(lapsed).await;
    let (one, two) = tokio::join!(first.reap(), second.reap());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.lanes + two.lanes, one.replicas.len() + two.replicas.len()), (1, 1));
    let heir = scene.replica().await;
    let next = claim(&*scene.store, heir).await;
    assert_eq!((next.run, next.attempt), (claimed.run, 2));
}

/// How far the world has gone on when the zombie wakes up.
const MOMENTS: [&str; 4] = ["reaped", "claimed", "appended", "finished"];

pub(crate) async fn a_zombie_writes_nothing<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let heir = scene.replica().await;
    for (stage, name) in MOMENTS.into_iter().enumerate() {
        let (other, replica) = scene.elsewhere().await;
        let mut zombie = scene.begin(name, replica).await;
        scene.outlive(replica).await;
        if stage > 0 {
            let mut next = claim(&*scene.store, heir).await;
            if stage > 1 {
                scene.store.append(&mut next, &[step("one")], None).await.unwrap();
            }
            if stage > 2 {
                scene.store.finish(&next, &end(false)).await.unwrap();
            }
        }
        let (before, was) = (scene.picture(name).await, grant(&zombie));
        assert_fenced(&other.append(&mut zombie, &[step("one")], None).await);
        assert_fenced(&other.append(&mut zombie, &[], Some(9)).await);
        assert_fenced(&other.finish(&zombie, &end(true)).await);
        assert_fenced(&other.release(&zombie).await);
        assert_eq!(other.disown(replica, &[(zombie.session(), zombie.epoch())]).await.unwrap(), 0);
        assert_eq!(other.heartbeat(replica).await.unwrap(), Beat::Gone);
        assert!(other.claim(replica, 10).await.unwrap().is_empty());
        assert_eq!((scene.picture(name).await, grant(&zombie)), (before, was), "{name}");
        if stage == 0 {
            claim(&*scene.store, heir).await;
        }
    }
}

pub(crate) async fn a_zombie_under_a_new_id_gets_a_new_lease<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let (other, first) = scene.elsewhere().await;
    let mut zombie = scene.begin("a", first).await;
    scene.outlive(first).await;
    let second = super::scene::joined(&*other).await;
    let mut claimed = claim(&*other, second).await;
    assert_eq!((claimed.run, claimed.head()), (zombie.run, zombie.head()));
    assert!(claimed.epoch() > zombie.epoch());
    assert_fenced(&other.append(&mut zombie, &[step("one")], None).await);
    other.append(&mut claimed, &[step("one")], None).await.unwrap();
    assert_fenced(&other.finish(&zombie, &end(false)).await);
    other.finish(&claimed, &end(false)).await.unwrap();
}

/// Its last entry was written, but the answer was lost; then it was taken over.
pub(crate) async fn a_zombie_does_not_take_the_end_of_another_for_its_own<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [owner, heir] = [scene.replica().await, scene.replica().await];
    let zombie = scene.begin("a", owner).await;
    scene.store.append(&mut zombie.clone(), &[step("one")], None).await.unwrap();
    scene.outlive(owner).await;
    let claimed = claim(&*scene.store, heir).await;
    let finish = Finish { entries: Vec::new(), ..end(false) };
    scene.store.finish(&claimed, &finish).await.unwrap();
    assert_fenced(&scene.store.finish(&zombie, &end(false)).await);
    assert_fenced(&scene.store.append(&mut zombie.clone(), &[step("one")], None).await);
}

pub(crate) async fn attempts_grow_with_each_claim_without_progress<H: Harness>() {
    let scene = Scene::<H>::open().await;
    scene.queue("a").await;
    for attempt in 1..=4 {
        let replica = scene.replica().await;
        assert_eq!(claim(&*scene.store, replica).await.attempt, attempt);
        scene.outlive(replica).await;
    }
}

/// A run that kills its replica must be told from those that merely were there.
pub(crate) async fn runs_that_lose_a_replica_together_share_the_blame<H: Harness>() {
    let scene = Scene::<H>::open().await;
    for name in ["a", "b", "c"] {
        scene.queue(name).await;
    }
    let mut blamed = 0;
    for _ in 0..2 {
        let replica = scene.replica().await;
        let claimed = scene.store.claim(replica, 10).await.unwrap();
        assert!(claimed.len() == 3 && claimed.iter().all(|claimed| claimed.blame == blamed));
        scene.outlive(replica).await;
        blamed += Claimed::WHOLE_BLAME / 3;
    }
    let [alone, others] = [scene.replica().await, scene.replica().await];
    let first = scene.store.claim(alone, 1).await.unwrap().remove(0);
    let mut rest = scene.store.claim(others, 10).await.unwrap();
    scene.outlive(alone).await;
    let again = claim(&*scene.store, scene.replica().await).await;
    assert_eq!((again.run, again.blame), (first.run, blamed + Claimed::WHOLE_BLAME));
    let mut progress = rest.pop().unwrap();
    scene.store.append(&mut progress, &[step("one")], None).await.unwrap();
    scene.store.release(&progress).await.unwrap();
    let handed_over = claim(&*scene.store, others).await;
    assert_eq!((handed_over.run, handed_over.blame), (progress.run, 0), "progress, and no death");
}

pub(crate) async fn runs_keep_their_id_and_epochs_grow<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let run = scene.queue("a").await;
    let mut last = None;
    for _ in 0..3 {
        let (other, replica) = scene.elsewhere().await;
        let mut claimed = claim(&*other, replica).await;
        assert_eq!(claimed.run, run);
        assert!(last < Some(claimed.epoch()));
        last = Some(claimed.epoch());
        other.append(&mut claimed, &[step("one")], None).await.unwrap();
        scene.harness.crash(other).await;
        scene.store.reap().await.unwrap();
    }
}

pub(crate) async fn whoever_takes_over_knows_whose_the_run_was_and_how_it_was_lost<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let heir = scene.replica().await;
    for (name, loss) in
        [("a", Loss::Crashed), ("b", Loss::Silent), ("c", Loss::HandedOver), ("d", Loss::Left)]
    {
        let (other, owner) = scene.elsewhere().await;
        let mut claimed = scene.begin(name, owner).await;
        assert_eq!(claimed.former, None, "nobody had it before");
        other.append(&mut claimed, &[step("one")], None).await.unwrap();
        match loss {
            Loss::Crashed => scene.harness.crash(other).await,
            Loss::Silent => scene.harness.lapse(owner).await,
            Loss::HandedOver => other.release(&claimed).await.unwrap(),
            Loss::Left => other.leave(owner).await.unwrap(),
            Loss::Unknown => {}
        }
        scene.store.reap().await.unwrap();
        scene.harness.age(HOUR).await;
        let taken = claim(&*scene.store, heir).await;
        let former = taken.former.unwrap();
        assert_eq!((taken.run, former.replica, former.loss), (claimed.run, owner, loss));
        let silent = if loss == Loss::Silent { LEASE } else { Duration::ZERO };
        let stood_still = former.stood_still.unwrap();
        assert!((silent + HOUR..silent + 2 * HOUR).contains(&stood_still), "{loss:?}: {stood_still:?}");

        // The session's next run is nobody's before it is claimed.
        scene.store.finish(&taken, &end(false)).await.unwrap();
        scene.queue(name).await;
        let next = claim(&*scene.store, heir).await;
        assert_eq!(next.former, None);
        scene.store.release(&next).await.unwrap();
        let again = claim(&*scene.store, heir).await;
        let former = again.former.unwrap();
        assert_eq!((former.replica, former.loss), (heir, Loss::HandedOver));
        assert!(former.stood_still.unwrap() < HOUR, "what was before it was claimed does not count");
        scene.store.finish(&again, &end(false)).await.unwrap();
    }
}

/// Whether the last heartbeat of a process that crashed came long ago does not matter to whoever saw it there later.
pub(crate) async fn a_crashed_owner_lived_until_it_was_seen_last<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let heir = scene.replica().await;
    for (name, is_seen) in [("a", true), ("b", false)] {
        let other = scene.harness.replica_handle().await;
        let patient = Replica { lease: 3 * LEASE, ..replica() };
        other.join(&patient).await.unwrap();
        let claimed = scene.begin(name, patient.id).await;
        scene.harness.lapse(patient.id).await;
        if is_seen {
            assert_eq!(scene.store.reap().await.unwrap(), Reaped::default());
        }
        scene.harness.crash(other).await;
        assert_eq!(scene.store.reap().await.unwrap(), Reaped { replicas: vec![patient.id], lanes: 1 });
        let taken = claim(&*scene.store, heir).await;
        let former = taken.former.unwrap();
        assert_eq!((taken.run, former.loss), (claimed.run, Loss::Crashed));
        let stood_still = former.stood_still.unwrap();
        assert_eq!(stood_still < LEASE, is_seen, "{stood_still:?}");
    }
}
