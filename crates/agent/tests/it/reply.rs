//! What a sender is told of a run, for every way in which a run ends.

use regrow_agent::{
    Ending, Entry, Failure, FailureKind, Final, Reply, ToolOutcome, extend_visible, visible_text,
};
use regrow_protocol::{StopReason, ToolCall, Usage};

use crate::scene::{USAGE, asks, assistant, call, done, replied, result, started, summary, user};

fn times(times: u64) -> Usage {
    Usage {
        input: USAGE.input * times,
        output: USAGE.output * times,
        cache_read: USAGE.cache_read * times,
        cache_write: USAGE.cache_write * times,
    }
}

fn reply(text: &str, calls: Vec<ToolCall>, stop: StopReason, model: &str, answers: u64) -> Reply {
    let (text, model) = (text.to_owned(), model.to_owned());
    Reply { ending: Ending::Done, text, tool_calls: calls, stop, usage: times(answers), model }
}

#[test]
fn a_reply_for_every_ending() {
    use StopReason::{ContentFilter, Length, Stop, ToolCalls};
    let ended = |ending: Ending, reply: Reply| Reply { ending, ..reply };
    let failure = || Failure { reason: FailureKind::Limit, message: "enough".to_owned() };
    let failed = || Entry::Final(Final::failed(FailureKind::Limit, "enough"));
    let handed =
        || Entry::Final(Final { model: String::new(), usage: Usage::default(), ..done(None, ToolCalls) });
    let unknown =
        |id: &str| Entry::ToolResult { message: crate::scene::tool(id, "?"), outcome: ToolOutcome::Unknown };
    let cases = [
        ("in one answer", vec![user("a"), replied("b")], reply("b", vec![], Stop, "p/last", 1)),
        (
            "after tools",
            vec![user("a"), asks("I look.", &["1:pure"]), result("1", "r"), replied("Found.")],
            reply("I look.\n\nFound.", vec![], Stop, "p/last", 2),
        ),
        (
            "with a silent step",
            vec![user("a"), asks("", &["1:pure"]), result("1", "r"), replied("Found.")],
            reply("Found.", vec![], Stop, "p/last", 2),
        ),
        (
            "with a summary on the way",
            vec![user("a"), summary("s", 1), replied("b")],
            reply("b", vec![], Stop, "p/last", 2),
        ),
        (
            "cut short by the model's limit",
            vec![user("a"), Entry::Final(done(Some(assistant("b", &[])), Length))],
            reply("b", vec![], Length, "p/last", 1),
        ),
        (
            "withheld",
            vec![user("a"), Entry::Final(done(Some(assistant("", &[])), ContentFilter))],
            reply("", vec![], ContentFilter, "p/last", 1),
        ),
        (
            "the sender's calls only",
            vec![user("a"), Entry::Final(done(Some(assistant("Ask.", &["1:client"])), ToolCalls))],
            reply("Ask.", vec![call("1", "client")], ToolCalls, "p/last", 1),
        ),
        (
            "calls of both, ids used before",
            vec![
                user("a"),
                asks("", &["1:pure"]),
                result("1", "r"),
                asks("Both.", &["1:client", "2:pure", "3:unsafe", "4:client"]),
                result("2", "r"),
                started("3"),
                unknown("3"),
                handed(),
            ],
            reply("Both.", vec![call("1", "client"), call("4", "client")], ToolCalls, "p/step", 2),
        ),
        (
            "failed at once",
            vec![user("a"), failed()],
            ended(Ending::Failed(failure()), reply("", vec![], Stop, "", 0)),
        ),
        (
            "failed after a step",
            vec![user("a"), asks("I look.", &["1:client"]), failed()],
            ended(Ending::Failed(failure()), reply("I look.", vec![], Stop, "p/step", 1)),
        ),
        (
            "aborted while speaking",
            vec![asks("I look.", &["1:pure"]), result("1", "r"), Entry::Final(Final::aborted("I fo"))],
            ended(Ending::Aborted, reply("I look.\n\nI fo", vec![], Stop, "p/step", 1)),
        ),
        (
            "aborted in a call",
            vec![asks("", &["1:unsafe"]), started("1"), Entry::Final(Final::aborted(""))],
            ended(Ending::Aborted, reply("", vec![], Stop, "p/step", 1)),
        ),
    ];
    for (name, entries, wanted) in cases {
        let reply = Reply::of(entries.iter()).unwrap();
        assert_eq!(reply, wanted, "{name}");
        let json = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&json).unwrap(), reply, "{name}");
        assert_eq!(Reply::of(entries[..entries.len() - 1].iter()), None, "{name}, before its end");
    }
}

#[test]
fn what_is_visible_grows_by_paragraphs() {
    let steps =
        [asks("", &["1:pure"]), asks("a", &["1:pure"]), asks("", &["1:pure"]), asks("b", &["1:pure"])];
    let mut visible = String::new();
    for (step, text) in steps.iter().zip(["", "a", "", "b"]) {
        extend_visible(&mut visible, text);
        let recorded = steps.iter().take_while(|other| !std::ptr::eq(*other, step)).chain([step]);
        assert_eq!(visible_text(recorded), visible);
    }
    assert_eq!(visible, "a\n\nb");
}
