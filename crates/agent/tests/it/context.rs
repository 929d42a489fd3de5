//! What a model is shown of a journal.

use regrow_agent::Entry;
use regrow_protocol::{Message, Part, RawTurn, StopReason};

use crate::scene::{
    asks, assistant, consumed, done, inbound, inbound_with_client_tool, journal, rendered, replied, result,
    started, summary, system, tool, user,
};

fn no_result(call_id: &str) -> Message {
    let content = "No result was given for this call.".to_owned();
    Message::Tool { call_id: call_id.to_owned(), content, is_error: true }
}

fn stray(call_id: &str, content: &str) -> Message {
    Message::user(format!("Result of an unknown tool call `{call_id}`:\n{content}"))
}

/// The messages after the system prompt of a run with these recorded messages of its sender.
fn shown(messages: Vec<Message>) -> Vec<Message> {
    let mut rendered = rendered(&journal(vec![], vec![consumed(messages)], inbound(vec![])));
    assert_eq!(rendered.remove(0), system("P"));
    rendered
}

#[test]
fn every_call_has_one_result_directly_after_it() {
    let ask = || assistant("", &["1:client", "2:client"]);
    let say = || Message::user("u");
    let cases = [
        (
            "in order",
            vec![ask(), tool("1", "a"), tool("2", "b")],
            vec![ask(), tool("1", "a"), tool("2", "b")],
        ),
        ("swapped", vec![ask(), tool("2", "b"), tool("1", "a")], vec![ask(), tool("2", "b"), tool("1", "a")]),
        (
            "one missing",
            vec![ask(), tool("2", "b"), say()],
            vec![ask(), tool("2", "b"), no_result("1"), say()],
        ),
        (
            "all missing, in the model's order",
            vec![ask(), say()],
            vec![ask(), no_result("1"), no_result("2"), say()],
        ),
        ("missing at the end", vec![ask()], vec![ask(), no_result("1"), no_result("2")]),
        (
            "given twice",
            vec![ask(), tool("1", "a"), tool("1", "again"), tool("2", "b")],
            vec![ask(), tool("1", "a"), tool("2", "b"), stray("1", "again")],
        ),
        (
            "a stray one between",
            vec![ask(), tool("x", "c"), tool("1", "a"), tool("2", "b"), say()],
            vec![ask(), tool("1", "a"), tool("2", "b"), stray("x", "c"), say()],
        ),
        (
            "too late",
            vec![ask(), tool("1", "a"), say(), tool("2", "b")],
            vec![ask(), tool("1", "a"), no_result("2"), say(), stray("2", "b")],
        ),
        ("without any call", vec![tool("1", "a"), say()], vec![stray("1", "a"), say()]),
        (
            "the same ids again",
            vec![ask(), tool("1", "a"), ask(), tool("1", "c"), tool("2", "d")],
            vec![ask(), tool("1", "a"), no_result("2"), ask(), tool("1", "c"), tool("2", "d")],
        ),
        ("an empty answer", vec![say(), assistant("", &[]), say()], vec![say(), say()]),
    ];
    for (name, messages, wanted) in cases {
        assert_eq!(shown(messages), wanted, "{name}");
    }
}

#[test]
fn a_run_shows_what_it_has_done() {
    let run = vec![
        user("now"),
        asks("I look.", &["1:pure", "2:unsafe"]),
        result("1", "found"),
        started("2"),
        result("2", "sent"),
    ];
    let journal = journal(vec![user("before"), replied("well")], run, inbound(vec![Message::user("now")]));
    let wanted = [
        system("P"),
        Message::user("before"),
        Message::assistant("well"),
        Message::user("now"),
        assistant("I look.", &["1:pure", "2:unsafe"]),
        tool("1", "found"),
        tool("2", "sent"),
    ];
    assert_eq!(rendered(&journal), wanted);
}

#[test]
fn a_message_is_shown_before_it_is_recorded_and_the_same_after() {
    let whole = vec![system("be kind"), Message::user("a"), assistant("b", &[]), Message::user("c")];
    for history in [vec![], vec![user("a"), replied("b")]] {
        let mut journal = journal(history, vec![], inbound(whole.clone()));
        let before = rendered(&journal);
        let (seq, entry) = (journal.run_base + 1, journal.user_entry().into());
        journal.transcript.push(regrow_agent::Recorded { seq, entry });
        assert_eq!(rendered(&journal), before);
        assert_eq!(before[0], system("P\n\nbe kind"));
        assert_eq!(before[1..], whole[1..]);
    }
}

#[test]
fn instructions_hold_for_one_turn() {
    let earlier = vec![consumed(vec![system("old"), Message::user("a")]), replied("b")];
    let mine = inbound(vec![system("new"), system("newer"), Message::user("c")]);
    let wanted =
        [system("P\n\nnew\n\nnewer"), Message::user("a"), Message::assistant("b"), Message::user("c")];
    assert_eq!(rendered(&journal(earlier, vec![], mine.clone())), wanted);
    let fresh = journal(vec![], vec![], mine);
    assert_eq!(regrow_agent::messages(&fresh, "").opening[0], system("new\n\nnewer"));
}

#[test]
fn calls_of_the_senders_tools_are_answered_by_its_next_message() {
    let handed = Entry::Final(done(None, StopReason::ToolCalls));
    let earlier = || vec![user("a"), asks("", &["1:pure", "2:client"]), result("1", "found"), handed.clone()];
    let ask = [system("P"), Message::user("a"), assistant("", &["1:pure", "2:client"]), tool("1", "found")];
    let cases = [
        (vec![tool("2", "mine")], vec![tool("2", "mine")]),
        (vec![Message::user("never mind")], vec![no_result("2"), Message::user("never mind")]),
        (vec![tool("2", "mine"), Message::user("and?")], vec![tool("2", "mine"), Message::user("and?")]),
    ];
    for (sent, wanted) in cases {
        let shown = rendered(&journal(earlier(), vec![], inbound_with_client_tool(sent)));
        assert_eq!(shown[..4], ask);
        assert_eq!(shown[4..], wanted);
    }
}

#[test]
fn failures_leave_no_answer_and_aborted_runs_what_they_said() {
    let failed = regrow_agent::Final::failed(regrow_agent::FailureKind::Limit, "too long");
    let history = vec![
        user("a"),
        asks("", &["1:pure"]),
        Entry::Final(failed),
        user("b"),
        Entry::Final(regrow_agent::Final::aborted("I was about")),
        user("c"),
        Entry::Final(regrow_agent::Final::aborted("")),
    ];
    let wanted = [
        system("P"),
        Message::user("a"),
        assistant("", &["1:pure"]),
        no_result("1"),
        Message::user("b"),
        Message::assistant("I was about"),
        Message::user("c"),
        Message::user("d"),
    ];
    assert_eq!(rendered(&journal(history, vec![], inbound(vec![Message::user("d")]))), wanted);
}

#[test]
fn images_and_the_providers_own_form_are_kept() {
    let image = Message::User {
        parts: vec![
            Part::Text { text: "what is this?".to_owned() },
            Part::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned() },
        ],
    };
    let raw = Some(RawTurn { api: "x".to_owned(), content: serde_json::json!([{ "signature": "s" }]) });
    let answer = Message::Assistant { text: "a cat".to_owned(), tool_calls: Vec::new(), raw };
    let history =
        vec![consumed(vec![image.clone()]), Entry::Final(done(Some(answer.clone()), StopReason::Stop))];
    let shown = rendered(&journal(history, vec![], inbound(vec![Message::user("sure?")])));
    assert_eq!(shown[1..], [image, answer, Message::user("sure?")]);
}

#[test]
fn a_summary_stands_for_what_came_before_it() {
    let history = vec![
        user("one"),
        replied("two"),
        user("three"),
        summary("first", 2),
        replied("four"),
        summary("first and three", 3),
    ];
    let shown = rendered(&journal(history, vec![], inbound(vec![Message::user("five")])));
    let intro = "Summary of the conversation so far; the messages themselves are no longer shown:\n\n";
    let wanted = [
        system("P"),
        Message::user(format!("{intro}first and three")),
        Message::assistant("four"),
        Message::user("five"),
    ];
    assert_eq!(shown, wanted);
}
