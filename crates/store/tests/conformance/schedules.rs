//! Schedules: what is due, and that a tick is one message, whoever fires it and however often.

use std::sync::Arc;

use regrow_protocol::{RunId, ScheduleId};
use regrow_store::{
    Accept, Accepted, Fired, Firing, FiringOutcome, LastFiring, Next, Schedule, ScheduleView, Store, Tick,
};

use super::harness::Harness;
use super::scene::{Scene, accept, claim, id, key, keyed, message};

/// Later than anything that happens in a test.
const LATER: i64 = 86_400_000;

async fn now(store: &dyn Store) -> i64 {
    store.due_schedules(0).await.unwrap().now
}

fn schedule(name: &str, session: &str, due_at: Option<i64>) -> Schedule {
    Schedule {
        id: ScheduleId::from(name.to_owned()),
        session: key(session),
        spec: format!("spec of {name}"),
        body: format!("body of {name}").into_bytes(),
        due_at,
    }
}

/// Puts a schedule that stands afterwards, and returns it as it stands.
async fn put(store: &dyn Store, schedule: Schedule) -> ScheduleView {
    let revision = store.put_schedule(&schedule, None).await.unwrap().expect("it replaces whatever stands");
    let view = find(store, &schedule.id).await.unwrap();
    assert_eq!((&view.schedule, view.revision), (&schedule, revision));
    view
}

/// A schedule that is due.
async fn put_due(store: &dyn Store, name: &str, session: &str) -> ScheduleView {
    let due_at = now(store).await - 1;
    put(store, schedule(name, session, Some(due_at))).await
}

async fn find(store: &dyn Store, id: &ScheduleId) -> Option<ScheduleView> {
    store.list_schedules().await.unwrap().into_iter().find(|view| view.schedule.id == *id)
}

/// The names of what is due.
async fn due(store: &dyn Store) -> Vec<String> {
    let due = store.due_schedules(100).await.unwrap().schedules;
    due.iter().map(|view| view.schedule.id.to_string()).collect()
}

/// Fires the tick of a schedule that is due, as it stands in `view`.
fn firing(view: &ScheduleView, next: Next) -> Firing {
    let due_at = view.schedule.due_at.unwrap();
    let tick = Tick { due_at, next, if_full: Some(due_at + LATER + 1) };
    Firing { tick: Some(tick), ..by_hand(view) }
}

fn by_hand(view: &ScheduleView) -> Firing {
    Firing {
        schedule: view.schedule.id.clone(),
        revision: view.revision,
        tick: None,
        message: RunId::new(),
        cap: 1_000,
    }
}

/// The tick after the one of `view`.
fn after(view: &ScheduleView) -> Next {
    Next::At(view.schedule.due_at.unwrap() + LATER)
}

async fn messages(store: &dyn Store, session: &str) -> i64 {
    store.find_session(id(session)).await.unwrap().map_or(0, |session| session.messages)
}

#[track_caller]
fn run_of(fired: &Fired) -> RunId {
    match fired {
        Fired::Accepted { message, .. } => *message,
        other => panic!("no message: {other:?}"),
    }
}

pub(crate) async fn a_schedule_is_put_listed_and_removed<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let other = scene.harness.replica_handle().await;
    assert!(scene.store.list_schedules().await.unwrap().is_empty());
    let b = put(&*scene.store, schedule("b", "s", None)).await;
    let a = put(&*other, schedule("a", "t", Some(i64::MAX))).await;
    assert_eq!((a.last, b.last), (None, None));
    assert_eq!(other.list_schedules().await.unwrap(), [a.clone(), b.clone()]);
    assert!(scene.store.remove_schedule(&a.schedule.id).await.unwrap());
    assert!(!other.remove_schedule(&a.schedule.id).await.unwrap());
    assert_eq!(other.list_schedules().await.unwrap(), [b]);
}

pub(crate) async fn a_schedule_is_replaced_only_as_it_was_seen<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let first = put(&*scene.store, schedule("a", "s", None)).await;
    let changed = Schedule { spec: "changed".to_owned(), ..schedule("a", "t", Some(5)) };
    let second = scene.store.put_schedule(&changed, Some(first.revision)).await.unwrap().unwrap();
    assert!(second > first.revision);
    for gone in [first.revision, second + 1] {
        let refused = scene.store.put_schedule(&schedule("a", "u", Some(7)), Some(gone)).await.unwrap();
        assert_eq!(refused, None);
    }
    let view = find(&*scene.store, &changed.id).await.unwrap();
    assert_eq!(view, ScheduleView { schedule: changed.clone(), revision: second, last: None });
    // One that was removed does not come back by being changed, and under its old revision not at all.
    assert!(scene.store.remove_schedule(&changed.id).await.unwrap());
    assert_eq!(scene.store.put_schedule(&changed, Some(second)).await.unwrap(), None);
    assert!(put(&*scene.store, changed).await.revision > second);
}

pub(crate) async fn what_is_not_due_is_not_there<H: Harness>() {
    let scene = Scene::<H>::open().await;
    assert_eq!(scene.store.due_schedules(100).await.unwrap().next_at, None);
    let now = now(&*scene.store).await;
    put(&*scene.store, schedule("never", "s", None)).await;
    for (name, at) in [("later", now + 2 * LATER), ("soon", now + LATER)] {
        put(&*scene.store, schedule(name, "s", Some(at))).await;
    }
    let found = scene.store.due_schedules(100).await.unwrap();
    assert_eq!((found.schedules, found.next_at), (Vec::new(), Some(now + LATER)));
    assert!(found.now >= now);
}

pub(crate) async fn what_is_due_longest_comes_first_and_at_most_so_many<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let now = now(&*scene.store).await;
    for (name, at) in [("b", now - 2), ("a", now - 2), ("c", now - 3), ("d", now - 1), ("not", now + LATER)] {
        put(&*scene.store, schedule(name, "s", Some(at))).await;
    }
    assert_eq!(due(&*scene.store).await, ["c", "a", "b", "d"]);
    let two = scene.store.due_schedules(2).await.unwrap();
    assert_eq!(two.schedules.len(), 2);
    assert_eq!(two.next_at, Some(now + LATER));
}

pub(crate) async fn a_tick_that_many_fire_at_once_is_one_message<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let handles = [
        Arc::clone(&scene.store),
        scene.harness.replica_handle().await,
        scene.harness.replica_handle().await,
    ];
    let mut view = put_due(&*scene.store, "a", "s").await;
    for tick in 1..=5 {
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let (store, firing) = (Arc::clone(&handles[n % 3]), firing(&view, Next::At(tick)));
                tokio::spawn(async move { store.fire(&firing).await.unwrap() })
            })
            .collect();
        let (mut accepted, mut stale) = (Vec::new(), 0);
        for task in tasks {
            match task.await.unwrap() {
                Fired::Stale => stale += 1,
                fired => accepted.push(run_of(&fired)),
            }
        }
        assert_eq!((accepted.len(), stale), (1, 9));
        assert_eq!(messages(&*scene.store, "s").await, tick);
        view = find(&*scene.store, &view.schedule.id).await.unwrap();
        assert_eq!(view.schedule.due_at, Some(tick));
        assert_eq!(view.last.unwrap().run, Some(accepted[0]));
    }
}

pub(crate) async fn a_fired_message_is_like_any_other<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let begun = scene.begin("busy", replica).await;
    for (session, place) in [("busy", 2), ("new", 1)] {
        let view = put_due(&*scene.store, session, session).await;
        let firing = firing(&view, after(&view));
        let fired = scene.store.fire(&firing).await.unwrap();
        assert_eq!(fired, Fired::Accepted { message: firing.message, seq: place });
        // Its key is taken.
        let dedupe = format!("schedule:{}:{}", view.schedule.id, view.schedule.due_at.unwrap());
        let again = scene.store.accept(keyed(session, &dedupe)).await.unwrap();
        assert!(
            matches!(again, Accepted::Duplicate { message, seq, .. } if (message, seq) == (firing.message, place)),
            "{again:?}"
        );
        if session == "new" {
            let claimed = claim(&*scene.store, replica).await;
            assert_eq!((claimed.run, claimed.session_key), (firing.message, key(session)));
            assert_eq!(claimed.message.body, view.schedule.body);
        }
    }
    assert_eq!(begun.session(), id("busy"));
}

pub(crate) async fn a_tick_of_another_plan_is_stale<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let old = put_due(&*scene.store, "a", "s").await;
    let due_at = old.schedule.due_at.unwrap();
    let new = put(&*scene.store, Schedule { spec: "new".to_owned(), ..old.schedule.clone() }).await;
    let other_tick = Tick { due_at: due_at - 1, next: Next::Never, if_full: None };
    for stale in [
        firing(&old, after(&old)),
        by_hand(&old),
        Firing { tick: Some(other_tick), ..by_hand(&new) },
        Firing { schedule: ScheduleId::new(), ..firing(&new, after(&new)) },
    ] {
        assert_eq!(scene.store.fire(&stale).await.unwrap(), Fired::Stale, "{stale:?}");
    }
    assert_eq!(messages(&*scene.store, "s").await, 0);
    assert_eq!(find(&*scene.store, &new.schedule.id).await, Some(new.clone()));
    run_of(&scene.store.fire(&firing(&new, after(&new))).await.unwrap());
}

/// Whoever changes a schedule may plan a tick again that was fired in the meantime.
pub(crate) async fn a_tick_that_is_planned_again_stays_one_message<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let view = put_due(&*scene.store, "a", "s").await;
    let first = scene.store.fire(&firing(&view, after(&view))).await.unwrap();
    let last = find(&*scene.store, &view.schedule.id).await.unwrap().last;
    let again = put(&*scene.store, view.schedule.clone()).await;
    assert_eq!(again.last, last, "what became of a firing outlives a change");
    assert_eq!(scene.store.fire(&firing(&again, after(&again))).await.unwrap(), first);
    assert_eq!(messages(&*scene.store, "s").await, 1);
    let planned = find(&*scene.store, &view.schedule.id).await.unwrap();
    assert_eq!(planned.schedule.due_at, after(&view).due_at());
}

pub(crate) async fn a_full_session_skips_the_tick_and_shows_it<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let earlier = put_due(&*scene.store, "a", "s").await;
    let run = run_of(&scene.store.fire(&firing(&earlier, Next::At(5))).await.unwrap());
    accept(&*scene.store, message("s")).await;
    let before = scene.picture("s").await;
    // Neither is a schedule that would go after its tick lost for it.
    for next in [Next::At(6), Next::Remove] {
        let began = now(&*scene.store).await;
        let view = find(&*scene.store, &earlier.schedule.id).await.unwrap();
        let firing = Firing { cap: 2, ..firing(&view, next) };
        assert_eq!(scene.store.fire(&firing).await.unwrap(), Fired::Skipped { waiting: 2 });
        assert_eq!(scene.picture("s").await, before);
        let skipped = find(&*scene.store, &earlier.schedule.id).await.unwrap();
        assert_eq!(skipped.schedule.due_at, firing.tick.unwrap().if_full);
        let LastFiring { at, outcome, run: last } = skipped.last.unwrap();
        assert_eq!((outcome, last), (FiringOutcome::Full, Some(run)));
        assert!(at >= began);
    }
}

pub(crate) async fn a_tick_without_room_at_all_is_left_out_and_shown<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let view = put_due(&*scene.store, "a", "s").await;
    let missed = Firing { cap: 0, ..firing(&view, Next::Remove) };
    assert_eq!(scene.store.fire(&missed).await.unwrap(), Fired::Skipped { waiting: 0 });
    assert!(scene.store.find_session(id("s")).await.unwrap().is_none());
    let left = find(&*scene.store, &view.schedule.id).await.expect("it stays to be seen");
    assert_eq!((left.schedule.due_at, left.revision), (None, view.revision));
    let LastFiring { outcome, run, .. } = left.last.unwrap();
    assert_eq!((outcome, run), (FiringOutcome::Missed, None));
}

pub(crate) async fn a_removed_schedule_does_not_fire<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let view = put_due(&*scene.store, "a", "s").await;
    assert_eq!(due(&*scene.store).await, ["a"]);
    assert!(scene.store.remove_schedule(&view.schedule.id).await.unwrap());
    assert!(due(&*scene.store).await.is_empty());
    for firing in [firing(&view, after(&view)), by_hand(&view)] {
        assert_eq!(scene.store.fire(&firing).await.unwrap(), Fired::Stale);
    }
    assert!(scene.store.find_session(id("s")).await.unwrap().is_none());
    assert!(scene.store.list_schedules().await.unwrap().is_empty());
}

pub(crate) async fn a_schedule_may_go_with_its_last_message<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [kept, gone] = [put_due(&*scene.store, "kept", "s").await, put_due(&*scene.store, "gone", "s").await];
    run_of(&scene.store.fire(&firing(&kept, Next::Never)).await.unwrap());
    let last = firing(&gone, Next::Remove);
    run_of(&scene.store.fire(&last).await.unwrap());
    assert_eq!(scene.store.fire(&last).await.unwrap(), Fired::Stale, "its answer was lost");
    assert_eq!(messages(&*scene.store, "s").await, 2);
    let left = scene.store.list_schedules().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0].schedule.id, left[0].schedule.due_at), (&kept.schedule.id, None));
    assert!(due(&*scene.store).await.is_empty());
}

pub(crate) async fn firing_by_hand_leaves_the_plan_alone<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let view = put_due(&*scene.store, "a", "s").await;
    let hand = by_hand(&view);
    let first = scene.store.fire(&hand).await.unwrap();
    assert_eq!(first, Fired::Accepted { message: hand.message, seq: 1 });
    assert_eq!(scene.store.fire(&hand).await.unwrap(), first, "its answer was lost");
    assert_eq!(messages(&*scene.store, "s").await, 1);
    let planned = find(&*scene.store, &view.schedule.id).await.unwrap();
    assert_eq!((&planned.schedule, planned.last.unwrap().run), (&view.schedule, Some(hand.message)));
    for seq in [2, 3] {
        let again = scene.store.fire(&by_hand(&planned)).await.unwrap();
        assert!(matches!(again, Fired::Accepted { seq: place, .. } if place == seq), "{again:?}");
    }
    let tick = scene.store.fire(&firing(&planned, after(&view))).await.unwrap();
    assert!(matches!(tick, Fired::Accepted { seq: 4, .. }), "{tick:?}");
    let unplanned = put(&*scene.store, schedule("off", "t", None)).await;
    run_of(&scene.store.fire(&by_hand(&unplanned)).await.unwrap());
    let full = Firing { cap: 1, ..by_hand(&unplanned) };
    assert_eq!(scene.store.fire(&full).await.unwrap(), Fired::Skipped { waiting: 1 });
    // The session is like any other: what a person sends finds its place behind.
    assert_eq!(accept(&*scene.store, Accept { cap: 2, ..message("t") }).await.0, 2);
}
