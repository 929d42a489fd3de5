//! What a run does next: calls by what may be repeated, limits, the sender's own tools, the end.

use regrow_agent::{
    Action, Agent, Answered, Ending, Entry, Failure, FailureKind, Final, Inbound, Limits, Situation,
    ToolOutcome, Way, answered, next,
};
use regrow_protocol::{Message, StopReason, Usage};

use crate::scene::{
    USAGE, agent, asks, assistant, inbound, inbound_with_client_tool, journal, result, spec, started,
    summary, tool, user,
};

fn sent() -> Inbound {
    inbound_with_client_tool(vec![Message::user("a")])
}

fn first() -> Situation {
    Situation { attempt: 1, ..Situation::default() }
}

/// What a run with these entries does next, without its sender's words.
fn after(run: Vec<Entry>) -> Action {
    next(&journal(vec![], run, sent()), &agent(), &first())
}

fn ways(action: Action) -> Vec<(String, Way)> {
    match action {
        Action::CallTools(calls) => calls.into_iter().map(|planned| (planned.call.id, planned.way)).collect(),
        other => panic!("calls no tools, but {other:?}"),
    }
}

#[test]
fn open_calls_are_settled_by_what_may_be_repeated() {
    let calls = ["1:pure", "2:unsafe", "3:nobody", "4:client", "5:unsafe"];
    let unknown = Entry::ToolResult { message: tool("2", "?"), outcome: ToolOutcome::Unknown };
    use Way::{Execute, ExecuteOnce, Missing, Unknown};
    type Case = (&'static str, Vec<Entry>, Vec<(&'static str, Way)>);
    let cases: [Case; 6] = [
        ("none begun", vec![], vec![("1", Execute), ("2", ExecuteOnce), ("3", Missing), ("5", ExecuteOnce)]),
        ("one done", vec![result("1", "r")], vec![("2", ExecuteOnce), ("3", Missing), ("5", ExecuteOnce)]),
        (
            "one begun",
            vec![started("2")],
            vec![("1", Execute), ("2", Unknown), ("3", Missing), ("5", ExecuteOnce)],
        ),
        (
            "one begun and done",
            vec![started("2"), result("2", "r")],
            vec![("1", Execute), ("3", Missing), ("5", ExecuteOnce)],
        ),
        (
            "one given up, another begun",
            vec![started("2"), unknown, result("3", "r"), started("5")],
            vec![("1", Execute), ("5", Unknown)],
        ),
        (
            "a repeatable one marked as begun",
            vec![started("1")],
            vec![("1", Execute), ("2", ExecuteOnce), ("3", Missing), ("5", ExecuteOnce)],
        ),
    ];
    for (name, settled, wanted) in cases {
        let mut run = vec![user("a"), asks("", &calls)];
        run.extend(settled);
        let wanted: Vec<_> = wanted.into_iter().map(|(id, way)| (id.to_owned(), way)).collect();
        assert_eq!(ways(after(run)), wanted, "{name}");
    }
}

#[test]
fn ids_of_an_earlier_answer_say_nothing_about_this_one() {
    let run =
        vec![user("a"), asks("", &["1:unsafe"]), started("1"), result("1", "r"), asks("", &["1:unsafe"])];
    assert_eq!(ways(after(run)), [("1".to_owned(), Way::ExecuteOnce)]);
}

#[test]
fn calls_of_an_earlier_run_are_not_settled() {
    let earlier = vec![user("a"), asks("", &["1:unsafe"]), started("1"), Entry::Final(Final::aborted(""))];
    assert_eq!(next(&journal(earlier, vec![], sent()), &agent(), &first()), Action::CallModel);
}

#[test]
fn the_model_is_asked_when_nothing_is_open() {
    for run in [
        vec![],
        vec![user("a")],
        vec![user("a"), asks("", &["1:pure"]), result("1", "r")],
        vec![user("a"), asks("", &["1:pure", "2:nobody"]), result("2", "r"), result("1", "r")],
    ] {
        assert_eq!(after(run.clone()), Action::CallModel, "{run:?}");
    }
}

#[test]
fn the_senders_calls_end_the_run_once_the_others_are_settled() {
    let run = vec![user("a"), asks("Both.", &["1:client", "2:pure"]), result("2", "r")];
    let (ending, stop, usage) = (Ending::Done, StopReason::ToolCalls, Usage::default());
    let handed = Action::Finish(Final { ending, message: None, stop, model: String::new(), usage });
    assert_eq!(after(run.clone()), handed);
    // What costs no further model call is not refused by a limit that this answer has reached.
    let limits = Limits { steps: 1, seconds: 1, tokens: 1, attempts: 1 };
    let spent = Situation { attempt: 2, age_seconds: 2, ..first() };
    assert_eq!(next(&journal(vec![], run, sent()), &Agent { limits, ..agent() }, &spent), handed);
}

#[test]
fn an_answer_goes_on_if_it_asks_for_a_tool_of_this_gateway() {
    let mut both = sent();
    both.tools.push(spec("pure"));
    let cases: [(&str, &[&str], Inbound, bool); 7] = [
        ("no calls", &[], sent(), false),
        ("the sender's", &["1:client"], sent(), false),
        ("the gateway's", &["1:unsafe"], sent(), true),
        ("of both", &["1:client", "2:pure"], sent(), true),
        ("nobody's", &["1:nobody"], sent(), true),
        ("the sender's, of the same name as the gateway's", &["1:pure"], both, false),
        ("of a tool that is not offered any more", &["1:client"], inbound(vec![]), true),
    ];
    for (name, calls, inbound, goes_on) in cases {
        let message = assistant("text", calls);
        let (model, journal) = ("p/m".to_owned(), journal(vec![], vec![], inbound));
        let got = answered(message.clone(), StopReason::Length, model.clone(), USAGE, &journal);
        let wanted = if goes_on {
            Answered::Step(Entry::Assistant { message, model, usage: USAGE })
        } else {
            let (ending, message, stop) = (Ending::Done, Some(message), StopReason::Length);
            Answered::Finish(Final { ending, message, stop, model, usage: USAGE })
        };
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn limits_end_a_run_visibly() {
    let step = |id: &str| [asks("", &[&format!("{id}:pure")]), result(id, "r")];
    let run = || [vec![user("a")], step("1").to_vec(), step("2").to_vec()].concat();
    let limits = |steps, seconds, tokens, attempts| Limits { steps, seconds, tokens, attempts };
    let with = |attempt, age_seconds| Situation { attempt, age_seconds, ..Situation::default() };
    let limit = |message: &str| Some((FailureKind::Limit, message.to_owned()));
    let cases = [
        ("at no limit", limits(3, 60, 31, 3), with(3, 60), None),
        ("no limit of tokens", limits(3, 60, 0, 3), with(1, 0), None),
        (
            "steps",
            limits(2, 60, 0, 3),
            with(1, 0),
            limit("The run reached its limit of 2 model calls without finishing."),
        ),
        (
            "tokens",
            limits(3, 60, 30, 3),
            with(1, 0),
            limit("The run reached its limit of 30 tokens without finishing."),
        ),
        (
            "time",
            limits(3, 60, 0, 3),
            with(1, 61),
            limit("The run took longer than its limit of 60 seconds."),
        ),
        (
            "a poisonous message",
            limits(3, 60, 0, 3),
            with(4, 0),
            Some((
                FailureKind::Crashed,
                "This message was given up: again and again the process that answered it ended before it had an \
                 answer. Send it again if others were the cause."
                    .to_owned(),
            )),
        ),
    ];
    for (name, limits, situation, failed) in cases {
        let got = next(&journal(vec![], run(), sent()), &Agent { limits, ..agent() }, &situation);
        let wanted = failed.map_or(Action::CallModel, |(reason, message)| {
            let ending = Ending::Failed(Failure { reason, message: message.clone() });
            Action::Finish(Final { ending, ..Final::failed(reason, message) })
        });
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn the_limits_of_a_run_are_its_own() {
    let earlier = vec![user("a"), asks("", &["1:pure"]), result("1", "r"), crate::scene::replied("b")];
    let agent = Agent { limits: Limits { steps: 1, tokens: 15, ..agent().limits }, ..agent() };
    assert_eq!(next(&journal(earlier, vec![user("c")], sent()), &agent, &first()), Action::CallModel);
}

#[test]
fn a_summary_does_not_reset_the_limits_of_its_run() {
    let run = vec![
        user("a"),
        asks("", &["1:pure"]),
        result("1", "r"),
        asks("", &["2:pure"]),
        result("2", "r"),
        summary("s", 3),
    ];
    let mut journal = journal(vec![], run, sent());
    journal.start_after(3);
    for limits in [Limits { steps: 2, ..agent().limits }, Limits { tokens: 45, ..agent().limits }] {
        let Action::Finish(last) = next(&journal, &Agent { limits, ..agent() }, &first()) else {
            panic!("{limits:?} is not reached")
        };
        assert!(matches!(&last.ending, Ending::Failed(failure) if failure.reason == FailureKind::Limit));
    }
    assert!(journal.has_user_entry(), "the message is not recorded a second time");
}

#[test]
fn an_abort_comes_before_everything() {
    let aborted = Situation { aborted: true, attempt: 100, age_seconds: 10_000, overflow: true, ..first() };
    for run in [vec![], vec![user("a"), asks("", &["1:unsafe"]), started("1")]] {
        let got = next(&journal(vec![], run, sent()), &agent(), &aborted);
        assert_eq!(got, Action::Finish(Final::aborted("")));
    }
}

#[test]
fn a_call_of_a_tool_that_is_gone_is_not_executed() {
    let mut agent = agent();
    agent.tools.clear();
    let run = vec![user("a"), asks("", &["1:pure", "2:unsafe"]), started("2")];
    let got = ways(next(&journal(vec![], run.clone(), sent()), &agent, &first()));
    assert_eq!(got, [("1".to_owned(), Way::Missing), ("2".to_owned(), Way::Unknown)]);
}
