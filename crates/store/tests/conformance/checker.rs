//! The checker must see what no mutant can produce from outside: each wrong outcome by its name, and nothing in a right
//! one.

use regrow_protocol::{EntryKind, Epoch, RunId, SessionId};
use regrow_store::{Accept, Accepted, LogEntry, RunEnd, RunState, RunStatus, RunView, SessionView};

use super::history::{History, Outcome, Violation};
use super::scene::{id, key, keyed};

fn logged(seq: i64, run: RunId, epoch: i64, kind: EntryKind, text: &str) -> LogEntry {
    LogEntry { seq, run, epoch: Epoch(epoch), kind, at: 0, payload: text.as_bytes().to_vec() }
}

fn ended(run: RunId, log_base: i64, log_head: i64) -> RunView {
    let (usage, error) = (String::new(), None);
    let end = RunEnd { status: RunStatus::Done, log_base, log_head, finished_at: 0, error, usage };
    RunView {
        run,
        session: id("a"),
        session_key: key("a"),
        accepted_at: 0,
        fingerprint: 0,
        state: RunState::Ended(end),
    }
}

/// Two messages, each answered with one step and a reply, the second under two leases.
fn sound(first: RunId, second: RunId) -> Outcome {
    let view = SessionView {
        id: id("a"),
        key: key("a"),
        created_at: 0,
        updated_at: 0,
        messages: 2,
        waiting: 0,
        log_head: 4,
        context_base: 0,
    };
    let log = vec![
        logged(1, first, 1, EntryKind::Assistant, "step"),
        logged(2, first, 1, EntryKind::Final, "1"),
        logged(3, second, 2, EntryKind::Assistant, "step"),
        logged(4, second, 4, EntryKind::Final, "2"),
    ];
    Outcome { view, log, runs: vec![ended(first, 0, 2), ended(second, 2, 4)] }
}

/// How the outcome goes wrong, and what the checker must say.
type Case = (&'static str, fn(&mut Outcome), fn(SessionId, RunId, RunId) -> Violation);

const CASES: [Case; 9] = [
    ("an older lease wrote last", |o| o.log[3].epoch = Epoch(1), |s, _, _| Violation::EpochWentBack(s, 4)),
    ("answered in another order", swap_finals, |s, _, _| Violation::OutOfOrder(s)),
    ("two writers at once", |o| o.log[2].run = o.log[0].run, |_, _, b| Violation::WrongRecord(b)),
    ("two replies", |o| o.log[2].kind = EntryKind::Final, |_, _, b| Violation::AnsweredTwice(b)),
    ("no reply", |o| o.log[3].kind = EntryKind::Assistant, |_, _, b| Violation::NotAnswered(b)),
    ("a record too short", |o| o.runs[0] = ended(o.runs[0].run, 0, 1), |_, a, _| Violation::WrongRecord(a)),
    ("a doubled position", |o| o.log[3].seq = 3, |s, _, _| Violation::Gap(s)),
    ("a message left", |o| o.view.waiting = 1, |s, _, _| Violation::Gap(s)),
    ("a lost message", |o| drop(o.runs.pop()), |_, _, b| Violation::Lost(b)),
];

fn swap_finals(outcome: &mut Outcome) {
    outcome.log[1].payload = b"2".to_vec();
    outcome.log[3].payload = b"1".to_vec();
}

#[test]
fn the_checker_names_what_is_wrong() {
    let asked = [keyed("a", "x"), keyed("a", "y")];
    let [first, second] = [asked[0].message, asked[1].message];
    let history = History::default();
    for (seq, asked) in (1..).zip(&asked) {
        history.answered(asked, &Accepted::New { seq, claimed: None });
    }
    assert_eq!(history.check(&[sound(first, second)]), []);
    for (name, spoil, want) in CASES {
        let mut outcome = sound(first, second);
        spoil(&mut outcome);
        let found = history.check(&[outcome]);
        assert!(found.contains(&want(id("a"), first, second)), "{name}: {found:?}");
    }
    let again = Accept { message: RunId::new(), ..asked[0].clone() };
    history.answered(&again, &Accepted::New { seq: 3, claimed: None });
    assert!(history.check(&[sound(first, second)]).contains(&Violation::AcceptedTwice(again.message)));
}
