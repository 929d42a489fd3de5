//! What a transcript brings forward entry by entry is what reading all of it gives.

use std::sync::Arc;

use proptest::prelude::*;
use regrow_agent::{Entry, Final, Journal, Recorded, Transcript, context_tokens, messages};
use regrow_protocol::{Message, Seq, StopReason};

use crate::scene::{asks, assistant, consumed, done, inbound, result, started, summary, system, tool};

const INTRO: &str = "Summary of the conversation so far; the messages themselves are no longer shown:\n\n";

/// What a model is shown of these entries and of a message that is not recorded, by reading all of them.
fn read_all(entries: &[Recorded], pending: &[Message]) -> Vec<Message> {
    let last = entries.iter().rev().find_map(|recorded| match &*recorded.entry {
        Entry::Compaction { summary, through, .. } => Some((summary, *through)),
        _ => None,
    });
    let mut all = vec![system("P")];
    all.extend(last.map(|(summary, _)| Message::user(format!("{INTRO}{summary}"))));
    for recorded in entries.iter().filter(|recorded| last.is_none_or(|(_, through)| recorded.seq > through)) {
        match &*recorded.entry {
            Entry::User { messages, .. } => all.extend_from_slice(messages),
            Entry::Assistant { message, .. } | Entry::ToolResult { message, .. } => all.push(message.clone()),
            Entry::Final(Final { message: Some(message), .. }) => all.push(message.clone()),
            _ => {}
        }
    }
    all.extend_from_slice(pending);
    let mut mended = vec![all.remove(0)];
    let (mut open, mut stray) = (Vec::new(), Vec::new());
    for message in all {
        match &message {
            Message::Tool { call_id, .. } if open.contains(call_id) => {
                open.retain(|id| id != call_id);
                mended.push(message);
            }
            Message::Tool { .. } => stray.push(message),
            Message::System { .. } => {}
            Message::User { .. } => {
                close(&mut mended, &mut open, &mut stray);
                mended.push(message);
            }
            Message::Assistant { text, tool_calls, .. } => {
                close(&mut mended, &mut open, &mut stray);
                open.extend(tool_calls.iter().map(|call| call.id.clone()));
                if !text.is_empty() || !tool_calls.is_empty() {
                    mended.push(message);
                }
            }
        }
    }
    close(&mut mended, &mut open, &mut stray);
    mended
}

fn close(mended: &mut Vec<Message>, open: &mut Vec<String>, stray: &mut Vec<Message>) {
    let content = "No result was given for this call.";
    mended.extend(open.drain(..).map(|call_id| Message::Tool {
        call_id,
        content: content.to_owned(),
        is_error: true,
    }));
    for message in stray.drain(..) {
        let Message::Tool { call_id, content, .. } = message else { unreachable!() };
        mended.push(Message::user(format!("Result of an unknown tool call `{call_id}`:\n{content}")));
    }
}

fn said() -> impl Strategy<Value = Message> {
    prop_oneof![
        "[a-z]{0,3}".prop_map(Message::user),
        "[a-c]".prop_map(|id| tool(&id, "given")),
        Just(system("instruction")),
        ("[a-z]{0,2}", calls()).prop_map(|(text, calls)| assistant(&text, &calls)),
    ]
}

/// Up to two calls with different ids.
fn calls() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["a:pure", "b:client", "c:unsafe"], 0..3)
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => prop::collection::vec(said(), 0..4).prop_map(consumed),
        3 => ("[a-z]{0,3}", calls()).prop_map(|(text, calls)| asks(&text, &calls)),
        3 => "[a-c]".prop_map(|id| result(&id, "found")),
        1 => "[a-c]".prop_map(|id| started(&id)),
        3 => prop::option::of(("[a-z]{0,2}", calls())).prop_map(|said| {
            let message = said.map(|(text, calls)| assistant(&text, &calls));
            Entry::Final(done(message, StopReason::Stop))
        }),
        1 => (0..8i64).prop_map(|back| summary("what was said", back)),
        1 => Just(Entry::Reset),
    ]
}

proptest! {
    #[test]
    fn bringing_forward_is_reading_all(
        entries in prop::collection::vec((entry(), prop::option::weighted(0.1, 0..10i64)), 0..24),
        pending in prop::collection::vec(said(), 0..3),
    ) {
        let mut journal =
            Journal { transcript: Transcript::default(), run_base: Seq::MAX, inbound: inbound(pending), inbox_seq: 1 };
        for (seq, (mut entry, forget)) in (1..).zip(entries) {
            if let Entry::Compaction { through, .. } = &mut entry {
                *through = (seq - 1 - *through).max(0);
            }
            journal.transcript.push(Recorded { seq, entry: Arc::new(entry) });
            if let Some(back) = forget {
                journal.start_after(seq - back);
            }
            let (kept, fresh) = (journal.transcript.entries().to_vec(), journal.is_fresh());
            let shown = messages(&journal, "P");
            let all: Vec<Message> = shown.iter().cloned().collect();
            let wanted = read_all(&kept, journal.inbound.added(fresh));
            // The system prompt has the instructions of the run.
            prop_assert_eq!(&all[1..], &wanted[1..]);
            let settled = shown.settled.unwrap();
            let add = |bytes: &mut Vec<u8>, message: &Message| serde_json::to_writer(bytes, message);
            let written = settled.written("form", add, <[u8]>::to_vec).unwrap();
            let again = settled.clone().written("form", add, <[u8]>::to_vec).unwrap();
            prop_assert_eq!(written, again);
            let anew = Journal { transcript: kept.into_iter().collect(), ..journal.clone() };
            prop_assert_eq!(context_tokens(&journal), context_tokens(&anew));
            prop_assert_eq!(journal.transcript.entries(), anew.transcript.entries());
        }
    }
}
