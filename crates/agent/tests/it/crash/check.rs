//! What must hold of every request, of a conversation that was never cut off, and of one that was.

use std::borrow::Cow;

use regrow_agent::{Ending, Entry, FailureKind, Recorded};
use regrow_protocol::{Message, ToolCall};

use super::script::Turn;
use super::sender::said_in;
use super::world::World;

/// Providers accept these messages: one system message, first; every call has exactly one result, directly after its
/// assistant message; no result without a call; nothing empty.
pub(crate) fn request(messages: &[Cow<'_, Message>]) {
    assert!(messages.len() > 1, "nothing is asked");
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let is_result = matches!(**message, Message::Tool { .. });
        assert!(is_result || open.is_empty(), "calls {open:?} without a result before {message:?}");
        assert_eq!(matches!(**message, Message::System { .. }), index == 0, "{message:?} at {index}");
        match &**message {
            Message::Tool { call_id, .. } => {
                let at = open.iter().position(|id| id == call_id);
                open.remove(at.unwrap_or_else(|| panic!("a result without a call: {message:?}")));
            }
            Message::Assistant { text, tool_calls, .. } => {
                assert!(!text.is_empty() || !tool_calls.is_empty(), "an empty assistant message");
                open = tool_calls.iter().map(|call| call.id.as_str()).collect();
            }
            Message::System { .. } | Message::User { .. } => {}
        }
    }
    assert!(open.is_empty(), "calls without a result at the end: {open:?}");
}

/// The sender's words of this turn are shown once, or are part of a summary; its instructions are shown, and nobody
/// else's.
pub(crate) fn present_turn(shown: &[Cow<'_, Message>], recorded: &[Recorded], index: usize, turn: &Turn) {
    let begin = format!("{}:", said_in(index));
    let is_said =
        |message: &Message| matches!(message, Message::User { .. }) && message.text().starts_with(&begin);
    let times = shown.iter().filter(|message| is_said(message)).count();
    let user_seq = recorded.iter().find(|r| matches!(*r.entry, Entry::User { .. })).map(|r| r.seq);
    let summarised = recorded.iter().any(|r| match &*r.entry {
        Entry::Compaction { through, .. } => user_seq.is_some_and(|seq| seq <= *through),
        _ => false,
    });
    let wanted = usize::from(turn.words > 0 && !summarised);
    assert!(times == wanted || turn.words == 0, "the present message is shown {times} times");
    let instructions = shown[0].text();
    let wanted = if turn.instructions { format!("P\n\ninstructions {index}.") } else { "P".to_owned() };
    assert_eq!(instructions, wanted);
}

/// The sender's results stand with their calls: only what answers nothing is shown as text.
pub(crate) fn no_call_lost(shown: &[Cow<'_, Message>]) {
    for message in shown {
        let text = message.text();
        let lost = text.starts_with("Result of an unknown tool call") && !text.contains("`stray`");
        assert!(!lost, "a call was separated from its result: {text}");
    }
}

/// A call may be executed while it has no result.
pub(crate) fn may_execute(recorded: &[Recorded], call: &ToolCall) {
    let last = recorded.iter().rposition(|r| matches!(*r.entry, Entry::Assistant { .. })).unwrap();
    let finished = recorded[last..].iter().any(|r| match &*r.entry {
        Entry::ToolResult { message: Message::Tool { call_id, .. }, .. } => *call_id == call.id,
        _ => false,
    });
    assert!(!finished, "a finished call is executed again: {call:?}");
}

/// A conversation without crashes: each turn is consumed once and ends once, within its limits, and nothing is done
/// twice.
pub(crate) fn uncut(world: &World) {
    assert!(world.asked.values().all(|times| times.len() == 1), "a model is asked twice for the same");
    assert!(world.executed.values().all(|(_, times)| *times == 1), "a tool is executed twice");
    let entries = world.entries_after(0);
    let consumed = entries.iter().filter_map(|r| match &*r.entry {
        Entry::User { inbox_seq, .. } => Some(*inbox_seq),
        _ => None,
    });
    let inbox: Vec<i64> = consumed.collect();
    let turns = i64::try_from(world.replies.len()).unwrap();
    assert_eq!(inbox, (1..=turns).collect::<Vec<_>>(), "each message is in the log once, in order");
    let ends = entries.iter().filter(|r| matches!(*r.entry, Entry::Final(_))).count();
    assert_eq!(ends, world.replies.len(), "each run ends once");
    for reply in &world.replies {
        if let Ending::Failed(failure) = &reply.ending {
            let expected = matches!(failure.reason, FailureKind::Limit | FailureKind::ContextTooLong);
            assert!(expected, "{failure:?}");
        }
    }
    for run in entries.split_inclusive(|r| matches!(*r.entry, Entry::Final(_))) {
        let answers = run.iter().filter(|r| matches!(*r.entry, Entry::Assistant { .. })).count();
        assert!(answers <= world.steps(), "{answers} answers in a run");
        settled(run);
    }
}

/// A run that was not ended early has one result for each call, but for the sender's own at its end.
fn settled(run: &[Recorded]) {
    let mut open: Vec<&ToolCall> = Vec::new();
    for recorded in run {
        match &*recorded.entry {
            Entry::Assistant { message: Message::Assistant { tool_calls, .. }, .. } => {
                assert!(open.is_empty(), "the model goes on without the results of {open:?}");
                open = tool_calls.iter().collect();
            }
            Entry::ToolResult { message: Message::Tool { call_id, .. }, .. } => {
                let at = open.iter().position(|call| call.id == *call_id);
                open.remove(at.unwrap_or_else(|| panic!("a second result of {call_id}")));
            }
            Entry::Final(last) if last.ending == Ending::Done => {
                let senders = |call: &&ToolCall| ["client", "pure"].contains(&call.name.as_str());
                assert!(open.iter().all(senders), "the run is done without the results of {open:?}");
                assert!(last.message.is_none() || open.is_empty());
            }
            _ => {}
        }
    }
}

/// A conversation that was cut off is the same in the end, and what crashes may repeat was repeated at most once for
/// each of them.
pub(crate) fn healed(cut: &World, whole: &World) {
    let logs = |world: &World| world.log.iter().map(|entry| certain(entry)).collect::<Vec<_>>();
    assert_eq!(logs(cut), logs(whole), "the logs differ");
    assert_eq!(cut.context_base, whole.context_base);
    assert_eq!(cut.replies, whole.replies, "the replies differ");
    for (point, times) in &cut.asked {
        assert!(times.len() <= 1 + cut.crashed, "{point:?} is asked {} times", times.len());
        let wanted =
            whole.asked.get(point).unwrap_or_else(|| panic!("{point:?} is asked only after a crash"));
        for shown in times {
            assert_eq!(certain(shown), wanted[0], "{point:?} is shown something else after a crash");
        }
    }
    for (call, (tool, times)) in &cut.executed {
        let most = if tool == "unsafe" { 1 } else { 1 + cut.crashed };
        assert!(*times <= most, "{tool} {call:?} is executed {times} times");
    }
}

/// What would have been written if no outcome were unknown.
fn certain(json: &str) -> String {
    json.replace("~ ", "= ").replace(r#""outcome":"unknown""#, r#""outcome":"completed""#)
}
