//! Schedules: each tick is one run, whichever replica fires it and whatever goes wrong on the way.

use std::collections::HashSet;

use regrow_agent::Inbound;
use regrow_agent::schedule::{Job, Missed, Payload, Timing};
use regrow_protocol::{Message, RunId, ScheduleId, SessionId};
use regrow_store::{Accept, Accepted, FiringOutcome, Schedule, ScheduleView};
use regrow_tools::Class;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Replica, Scene, answer, assert_done, key_of, soon};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

fn job(schedule: Timing) -> Job {
    Job {
        name: "test".to_owned(),
        agent_id: "main".to_owned(),
        enabled: true,
        delete_after_run: false,
        created_at_ms: 0,
        updated_at_ms: 0,
        schedule,
        session_target: "isolated".to_owned(),
        payload: Payload::AgentTurn { message: String::new() },
        missed: Missed::Once,
    }
}

fn every(every_ms: i64, anchor_ms: i64) -> Timing {
    Timing::Every { every_ms, anchor_ms }
}

/// A schedule `name` of the session `name` whose message has that id.
fn schedule(name: &str, job: &Job, due_at: i64) -> Schedule {
    let messages = vec![Message::user(format!("[[id={name}]]"))];
    Schedule {
        id: ScheduleId::from(name.to_owned()),
        session: key_of(name),
        spec: serde_json::to_string(job).unwrap(),
        body: serde_json::to_vec(&Inbound { messages, ..Inbound::default() }).unwrap(),
        due_at: Some(due_at),
    }
}

impl Replica {
    async fn now(&self) -> i64 {
        self.store.sound().due_schedules(0).await.unwrap().now
    }

    async fn put(&self, schedule: &Schedule) {
        self.store.sound().put_schedule(schedule, None).await.unwrap().unwrap();
    }

    async fn schedule(&self, name: &str) -> Option<ScheduleView> {
        let all = self.store.sound().list_schedules().await.unwrap();
        all.into_iter().find(|view| view.schedule.id.as_str() == name)
    }

    async fn runs(&self, session: &str) -> Vec<RunId> {
        let id = SessionId::of(&key_of(session));
        self.store.sound().list_runs(Some(id), 1_000).await.unwrap().iter().map(|view| view.run).collect()
    }

    /// Looks each time this replica has looked for what is due, until there is something to see.
    async fn looking_until<T>(&self, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        soon(async {
            loop {
                if let Some(seen) = look().await {
                    return seen;
                }
                self.store.more(Intent::DueSchedules, 1).await;
            }
        })
        .await
    }

    /// The run of a tick, by its key.
    async fn run_of_tick(&self, name: &str, due_at: i64) -> Option<RunId> {
        let question = Accept {
            session: key_of(name),
            message: RunId::new(),
            dedupe: Some(format!("schedule:{name}:{due_at}")),
            fingerprint: 0,
            body: Vec::new(),
            cap: 0,
            claim_for: None,
        };
        match self.store.sound().accept(question).await.unwrap() {
            Accepted::Duplicate { message, .. } => Some(message),
            _ => None,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_ticks_are_twenty_runs_on_three_replicas() {
    let names = ["a", "b", "c", "d", "e"];
    let scene = Scene::start().await;
    let first = scene.replica(&[]).await;
    let _others = [scene.replica(&[]).await, scene.replica(&[]).await];
    let begin = first.now().await;
    for (name, shift) in names.into_iter().zip([0, 0, 100, 300, 700]) {
        first.put(&schedule(name, &job(every(SECOND, begin + shift)), begin + shift)).await;
    }
    let total = async || {
        let mut total = 0;
        for name in names {
            total += first.runs(name).await.len();
        }
        total
    };
    first.looking_until(async || (total().await >= 20).then_some(())).await;

    for (name, shift) in names.into_iter().zip([0, 0, 100, 300, 700]) {
        let next = first.schedule(name).await.unwrap().schedule;
        assert!(first.store.sound().remove_schedule(&next.id).await.unwrap());
        let (runs, mut of_ticks) = (first.runs(name).await, HashSet::new());
        for tick in (begin + shift..=next.due_at.unwrap() + SECOND).step_by(1_000) {
            of_ticks.extend(first.run_of_tick(name, tick).await);
        }
        assert_eq!(of_ticks, runs.iter().copied().collect(), "each run is that of one tick");
        for run in &runs {
            first.ended(&first.ticket(*run).await.unwrap().unwrap()).await;
        }
        assert_eq!(scene.rounds(name).len(), runs.len(), "each is asked once");
    }
}

#[tokio::test]
async fn a_firing_that_fails_or_whose_answer_is_lost_happens_once() {
    for faults in [vec![Fault::Refused, Fault::Lost], vec![Fault::Panic, Fault::Pass]] {
        let panics = matches!(faults[0], Fault::Panic);
        let scene = Scene::start().await;
        let replica = scene.replica(&[]).await;
        replica.store.next(Intent::Fire, faults);
        let due_at = replica.now().await;
        replica.put(&schedule("a", &job(every(HOUR, due_at)), due_at)).await;
        if panics {
            // It is left alone for a while; a replica without the defect fires it.
            replica.store.reached(Intent::Fire, 1).await;
            let other = scene.replica(&[]).await;
            other.store.reached(Intent::Fire, 1).await;
        }
        let run = replica.looking_until(async || replica.runs("a").await.pop()).await;
        assert_done(&replica.ended(&replica.ticket(run).await.unwrap().unwrap()).await, &answer(&["a"]));
        replica.store.more(Intent::DueSchedules, 2).await;
        assert_eq!(replica.runs("a").await, [run]);
        let view = replica.schedule("a").await.unwrap();
        assert_eq!((view.schedule.due_at, view.last.unwrap().run), (Some(due_at + HOUR), Some(run)));
    }
}

#[tokio::test]
async fn a_bad_schedule_holds_no_other_up_and_stays_to_be_seen() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    let now = replica.now().await;
    let good = job(every(HOUR, now));
    let unreadable = Schedule { spec: "{}".to_owned(), ..schedule("unreadable", &good, now - 3) };
    let nobody =
        Schedule { session: "agent:nobody:main".parse().unwrap(), ..schedule("nobody", &good, now - 2) };
    let never = schedule("never", &job(Timing::Cron { expr: "99 * * * *".to_owned(), tz: None }), now - 1);
    for bad in [&unreadable, &nobody, &never] {
        replica.put(bad).await;
    }
    replica.put(&schedule("a", &good, now)).await;
    let run = replica.looking_until(async || replica.runs("a").await.pop()).await;
    replica.ended(&replica.ticket(run).await.unwrap().unwrap()).await;
    for bad in [unreadable, nobody, never] {
        let view = replica.schedule(bad.id.as_str()).await.unwrap();
        assert_eq!((view.schedule, view.last), (bad, None));
    }
    assert_eq!(replica.store.sound().list_runs(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_session_skips_a_tick_visibly() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |plan| plan.settings.max_queued = 1).await;
    let running = replica.send("a", "[[id=first tool=probe]]").await;
    probe.called(1).await;
    let due_at = replica.now().await;
    replica.put(&schedule("a", &job(every(HOUR, due_at)), due_at)).await;
    let skipped = replica
        .looking_until(async || replica.schedule("a").await.unwrap().last.filter(|last| last.run.is_none()))
        .await;
    assert_eq!(skipped.outcome, FiringOutcome::Full);
    let again = replica.schedule("a").await.unwrap().schedule.due_at.unwrap();
    assert!(again > due_at && again < due_at + HOUR, "it is made up for before the next tick");
    probe.release(1);
    replica.ended(&running).await;
    assert_eq!((replica.runs("a").await.len(), scene.model.count("a")), (1, 0));
}

#[tokio::test]
async fn ticks_that_were_missed_are_one_run_or_none() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    let now = replica.now().await;
    let due_at = now - 100 * HOUR - 60 * SECOND;
    let once = job(every(HOUR, due_at));
    replica.put(&schedule("skip", &Job { missed: Missed::Skip, ..once.clone() }, due_at)).await;
    replica.put(&schedule("once", &once, due_at)).await;
    for (name, outcome, runs) in [("skip", FiringOutcome::Missed, 0), ("once", FiringOutcome::Accepted, 1)] {
        let last = replica.looking_until(async || replica.schedule(name).await.unwrap().last).await;
        assert_eq!(last.outcome, outcome, "{name}");
        replica.store.more(Intent::DueSchedules, 2).await;
        assert_eq!(replica.runs(name).await.len(), runs, "{name}");
        assert_eq!(replica.schedule(name).await.unwrap().schedule.due_at, Some(due_at + 101 * HOUR));
    }
}

#[tokio::test]
async fn a_schedule_that_comes_once_goes_with_its_message_or_stays_over() {
    let scene = Scene::start().await;
    // A replica that does not run fires nothing.
    let door = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let due_at = door.now().await;
    let at = jiff::Timestamp::from_millisecond(due_at).unwrap().to_string();
    for (name, delete_after_run) in [("gone", true), ("kept", false)] {
        let job = Job { delete_after_run, ..job(Timing::At { at: at.clone() }) };
        door.put(&schedule(name, &job, due_at)).await;
    }
    let replica = scene.replica(&[]).await;
    for name in ["gone", "kept"] {
        let run = replica.looking_until(async || replica.runs(name).await.pop()).await;
        replica.ended(&replica.ticket(run).await.unwrap().unwrap()).await;
    }
    assert_eq!(replica.schedule("gone").await, None);
    assert_eq!(replica.schedule("kept").await.unwrap().schedule.due_at, None);
    assert_eq!(door.store.count(Intent::DueSchedules), 0);
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    replica.store.next(Intent::DueSchedules, vec![Fault::Refused; 2]);
    let due_at = replica.now().await;
    replica.put(&schedule("a", &job(every(HOUR, due_at)), due_at)).await;
    let run = replica.looking_until(async || replica.runs("a").await.pop()).await;
    replica.ended(&replica.ticket(run).await.unwrap().unwrap()).await;
}
