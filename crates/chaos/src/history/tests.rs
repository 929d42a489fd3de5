//! The checker sees each kind of wrong outcome by its promise, and nothing in a sound one.

use super::*;
use crate::model_server::{State, digest};

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn ask(message: &str, sent: u64) -> Ask {
    Ask {
        session: "s".into(),
        message: message.into(),
        sent: at(sent),
        accepted: Some((at(sent + 1), format!("run-{message}"))),
        ended: at(sent + 50),
        resumed: String::new(),
        text: format!("reply to {message}"),
        outcome: Outcome::Answered,
    }
}

fn call(id: &str, arrived: u64, seen: &[&str], rounds: usize) -> Call {
    let mut heard: Vec<u64> = seen.iter().map(|id| digest(&format!("reply to {id}"))).collect();
    if let Some(own) = heard.last_mut() {
        *own = 0;
    }
    Call {
        number: 0,
        id: Some(id.into()),
        earlier: 0,
        at_us: arrived * 1_000,
        turns: seen.len(),
        seen: seen.join(",").into(),
        heard: heard.into(),
        rounds,
        answer: format!("reply to {id}").into(),
        tokens: 0,
        state: State::Completed,
    }
}

/// Three messages; the second one's first attempt was lost with its replica, and repeated after its tool call.
fn sound() -> History {
    let lost = Ask { outcome: Outcome::Lost, text: "reply".into(), ended: at(130), ..ask("b", 110) };
    History {
        sessions: BTreeMap::from([("s".to_owned(), "c".to_owned())]),
        asks: vec![ask("a", 0), lost, ask("b", 140), ask("c", 400)],
        calls: vec![
            call("a", 5, &["a"], 0),
            call("b", 112, &["a", "b"], 0),
            call("b", 120, &["a", "b"], 1),
            call("b", 160, &["a", "b"], 1),
            call("c", 405, &["a", "b", "c"], 0),
        ],
        probes: Vec::new(),
        aborted: BTreeSet::new(),
        harms: vec![Harm { kind: HarmKind::Kill, replica: Some(0), from: at(130), until: at(130) }],
    }
}

/// How a history goes wrong, and which promise that breaks.
type Case = (&'static str, fn(&mut History), Promise);

fn last(history: &mut History) -> &mut Call {
    history.calls.last_mut().unwrap()
}

const CASES: [Case; 23] = [
    ("two runs", |h| h.asks[2].accepted = Some((at(141), "run-x".into())), Promise::AcceptedOnce),
    ("consumed twice", |h| *last(h) = call("c", 405, &["a", "b", "b", "c"], 0), Promise::AcceptedOnce),
    ("acknowledged and lost", |h| *last(h) = call("c", 405, &["a", "c"], 0), Promise::AcceptedOnce),
    ("one run for two", |h| h.asks[3].accepted = h.asks[0].accepted.clone(), Promise::AcceptedOnce),
    ("sent by nobody", |h| *last(h) = call("c", 405, &["a", "b", "x", "c"], 0), Promise::AcceptedOnce),
    ("answered as no run", |h| h.asks[0].accepted = None, Promise::AcceptedOnce),
    ("never answered", |h| h.asks[2].outcome = Outcome::Lost, Promise::AnsweredOnce),
    ("two replies", |h| h.asks.push(Ask { text: "other".into(), ..ask("a", 300) }), Promise::AnsweredOnce),
    ("the answer to another", |h| h.asks[2].text = "reply to a".into(), Promise::AnsweredOnce),
    (
        "in vain until patience ends",
        |h| h.asks[1..3].iter_mut().for_each(|ask| (ask.accepted, ask.outcome) = (None, Outcome::Lost)),
        Promise::AnsweredOnce,
    ),
    ("the draft of another", |h| h.asks[1].text = "reply to a".into(), Promise::AnsweredOnce),
    ("a draft with a repetition", |h| h.asks[1].resumed = "reply".into(), Promise::AnsweredOnce),
    (
        "another draft after the end",
        |h| {
            h.calls.insert(1, Call { answer: "redone".into(), ..call("a", 6, &["a"], 0) });
            h.asks.push(Ask { outcome: Outcome::Lost, text: "red".into(), ..ask("a", 300) });
        },
        Promise::AnsweredOnce,
    ),
    (
        "failed for nothing",
        |h| h.asks[0].outcome = Outcome::Failed("run_crashed".into()),
        Promise::AnsweredOnce,
    ),
    ("a session that ends in silence", |h| drop(h.calls.pop()), Promise::AnsweredOnce),
    ("another order", |h| *last(h) = call("c", 405, &["b", "a", "c"], 0), Promise::InOrder),
    ("without what was before", |h| h.calls[3] = call("b", 160, &["b"], 1), Promise::InOrder),
    ("ahead of who was acknowledged", |h| h.asks[0].sent = at(300), Promise::InOrder),
    ("another answer in the end", |h| last(h).heard[1] = 7, Promise::OneWriter),
    ("another answer in between", |h| h.calls[3].heard[0] = 7, Promise::OneWriter),
    ("a finished step again", |h| h.calls.insert(3, call("b", 150, &["a", "b"], 0)), Promise::Takeover),
    ("a step that was never asked for", |h| h.calls[2].rounds = 2, Promise::Takeover),
    ("repeated without a cause", |h| h.harms.clear(), Promise::Takeover),
];

#[test]
fn names_what_is_wrong() {
    assert_eq!(sound().check(), []);
    for (name, spoil, promise) in CASES {
        let mut history = sound();
        spoil(&mut history);
        let found = history.check();
        assert!(found.iter().any(|violation| violation.promise == promise), "{name}: {found:?}");
    }
}

#[test]
fn a_reply_is_not_generated_again() {
    let mut history = sound();
    history.calls.insert(1, call("a", 105, &["a"], 0));
    history.harms.push(Harm { kind: HarmKind::Kill, replica: Some(0), from: at(60), until: at(60) });
    assert_eq!(history.check().len(), 1, "{:?}", history.check());
    history.harms.push(Harm { kind: HarmKind::Pause, replica: Some(0), from: at(20), until: at(90) });
    assert_eq!(history.check(), [], "who was paused may be late");
}

#[test]
fn a_run_is_aborted_only_if_somebody_wants_that() {
    let mut history = sound();
    history.asks[2].outcome = Outcome::Failed("run_aborted".into());
    last(&mut history).heard[1] = 0;
    assert_eq!(history.check().len(), 1);
    history.aborted.insert("b".into());
    assert_eq!(history.check(), []);
}

#[test]
fn a_stream_that_was_resumed_counts_as_a_whole() {
    let mut history = sound();
    history.asks[2].resumed = "reply".into();
    history.asks[2].text = " to b".into();
    assert_eq!(history.check(), []);
    history.asks[2].text = " to a".into();
    assert!(history.check().iter().any(|violation| violation.promise == Promise::OneWriter));
}

#[test]
fn a_run_under_which_replicas_keep_dying_may_fail() {
    let mut history = sound();
    history.asks[2].outcome = Outcome::Failed("run_crashed".into());
    last(&mut history).heard[1] = 0;
    assert_eq!(history.check().len(), 1, "one death is no cause");
    let kill = |millis| Harm { kind: HarmKind::Kill, replica: Some(0), from: at(millis), until: at(millis) };
    history.harms.extend([kill(150), kill(170)]);
    assert_eq!(history.check(), []);
    assert_eq!((history.accepted(), history.answered(), history.failed()), (3, 3, 1));
}

#[test]
fn who_is_cut_off_refuses_in_time_and_comes_back() {
    let probe = |answer, took: u64| Probe {
        replica: 0,
        what: "a message",
        asked: at(100),
        answered: at(100 + took),
        answer,
    };
    let found = |answer, took, harms: &[Harm]| {
        let history = History { probes: vec![probe(answer, took)], harms: harms.to_vec(), ..sound() };
        history.check().iter().filter(|violation| violation.promise == Promise::Away).count()
    };
    let harm =
        |kind, replica, millis| Harm { kind, replica: Some(replica), from: at(millis), until: at(millis) };
    for (answer, took) in [(Answer::Refused, 5_000), (Answer::Returned, 9_000)] {
        assert_eq!(found(answer, took, &[]), 0, "{answer:?}");
    }
    let killed = [harm(HarmKind::Kill, 0, 110)];
    for (answer, took) in [(Answer::Lost, 20), (Answer::Nobody, 20), (Answer::Refused, 9_000)] {
        assert_eq!(found(answer, took, &[harm(HarmKind::Kill, 1, 110)]), 1, "{answer:?} of another replica");
        assert_eq!(found(answer, took, &killed), 0, "{answer:?}");
    }
    assert_eq!(found(Answer::Nobody, 20, &[harm(HarmKind::Kill, 0, 50)]), 0, "it is not back yet");
    assert_eq!(found(Answer::Lost, 20, &[harm(HarmKind::Kill, 0, 50)]), 1, "it was back");
    assert_eq!(found(Answer::Lost, 20, &[harm(HarmKind::Kill, 0, 150)]), 0, "its connections went first");
    assert_eq!(found(Answer::Other(200), 20, &killed), 1, "who is cut off can accept nothing");
}
