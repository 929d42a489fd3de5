//! The basics in one go, for stores in unusual surroundings: each kind of statement once, and what it must answer. The cases
//! of the suite say more about each.

use std::time::Duration;

use regrow_protocol::ScheduleId;
use regrow_store::{Accept, Accepted, Beat, Fired, Firing, Next, Retention, Schedule, Store, Tick};

use super::scene::{accept, assert_fenced, claim, end, id, joined, key, keyed, message, step};

/// Goes through the life of a session of this name, and of what else a store holds.
pub(crate) async fn go_through(store: &dyn Store, name: &str) {
    let replica = joined(store).await;
    let (seq, claimed) = accept(store, Accept { claim_for: Some(replica), ..keyed(name, "key") }).await;
    let mut first = claimed.expect("an idle session is claimed at once");
    assert!(matches!(store.accept(keyed(name, "key")).await.unwrap(), Accepted::Duplicate { seq: 1, .. }));
    accept(store, message(name)).await;
    store.append(&mut first, &[step("step")], Some(0)).await.unwrap();
    let Beat::Alive { lanes } = store.heartbeat(replica).await.unwrap() else { panic!("it lives") };
    assert_eq!((seq, lanes.len()), (1, 1));
    let next = *store.finish(&first, &end(true)).await.unwrap().next.expect("another message waits");
    assert_fenced(&store.append(&mut first, &[step("late")], None).await);
    store.release(&next).await.unwrap();
    let second = claim(store, replica).await;
    assert_eq!((second.run, second.head()), (next.run, 2));
    store.abort(second.run).await.unwrap().expect("it is known");
    store.finish(&second, &end(false)).await.unwrap();
    let log = store.read_log(id(name), 0, 100).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(store.find_run(first.run).await.unwrap().is_some());
    assert_eq!(store.list_runs(Some(id(name)), 9).await.unwrap().len(), 2);
    store.reset(id(name)).await.unwrap();
    schedule(store, name).await;
    assert!(store.hold(name, replica, Duration::from_secs(60)).await.unwrap().is_some());
    store.let_go(name, replica).await.unwrap();
    let policy = Retention { keys: Duration::from_secs(86_400), sessions: None, history: None };
    assert_eq!(store.prune(&policy, 100).await.unwrap(), store.prunable(&policy).await.unwrap());
    assert!(!store.list_sessions(10).await.unwrap().is_empty());
    store.drain(replica).await.unwrap();
    assert!(store.list_replicas().await.unwrap().iter().any(|view| view.id == replica && view.draining));
    store.try_commit().await.unwrap();
    store.reap().await.unwrap();
    store.leave(replica).await.unwrap();
    assert_eq!(store.load().await.unwrap().running, 0);
}

/// A schedule fires into a session of its own, whose message is then answered.
async fn schedule(store: &dyn Store, name: &str) {
    let schedule = Schedule {
        id: ScheduleId::from(name.to_owned()),
        session: key(&format!("{name}-scheduled")),
        spec: "{}".to_owned(),
        body: b"tick".to_vec(),
        due_at: Some(1),
    };
    let revision = store.put_schedule(&schedule, None).await.unwrap().expect("it is new");
    let due = store.due_schedules(9).await.unwrap();
    assert!(due.schedules.iter().any(|view| view.revision == revision));
    let firing = Firing {
        schedule: schedule.id.clone(),
        revision,
        message: regrow_protocol::RunId::new(),
        cap: 10,
        tick: Some(Tick { due_at: 1, next: Next::Never, if_full: None }),
    };
    assert!(matches!(store.fire(&firing).await.unwrap(), Fired::Accepted { seq: 1, .. }));
    assert!(store.remove_schedule(&schedule.id).await.unwrap());
    assert!(store.list_schedules().await.unwrap().is_empty());
    let replica = joined(store).await;
    let claimed = claim(store, replica).await;
    store.finish(&claimed, &end(false)).await.unwrap();
    store.leave(replica).await.unwrap();
}
