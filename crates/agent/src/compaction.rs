//! When a conversation no longer fits its model: the older part is summarised into an entry of the log. Nothing is
//! deleted; the context merely starts later.

use std::borrow::Cow;

use regrow_protocol::{Message, Seq};

use crate::{Agent, Entry, Journal, Recorded, context, tokens};

/// The most characters of one message that the summary is made from.
const EXCERPT_CHARS: usize = 4_000;

/// What the model is told when it summarises.
const INSTRUCTIONS: &str = "You compress a conversation between a user and an assistant so that the assistant can go \
on without the original. Keep every fact, name, number, decision, file path, open question, promise and preference \
that later turns may need, and what the user asked for last. Write plain text in the conversation's language, without \
introduction.";

/// A summary that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactionPlan {
    /// What to ask the model.
    pub messages: Vec<Cow<'static, Message>>,
    /// Entries up to this position go into the summary.
    pub through: Seq,
}

/// The summary that the journal needs before the next model call, if it needs one and there is something to summarise.
/// `overflow`: a provider has refused the context as too long, whatever the estimate says.
pub(crate) fn plan(
    journal: &Journal,
    agent: &Agent,
    prompt_tokens: usize,
    overflow: bool,
) -> Option<CompactionPlan> {
    let window = agent.context_window as usize;
    let budget = window.saturating_sub(agent.reserve_tokens as usize).max(window / 4);
    if !overflow && context_tokens(journal) + prompt_tokens <= budget {
        return None;
    }
    let keep = (agent.keep_recent_tokens as usize).min(budget / 2);
    let keep = if overflow { keep.min(budget / 4) } else { keep };
    let through = cut(journal, keep)?;
    let old = &journal.entries[..journal.entries.partition_point(|r| r.seq <= through)];
    Some(CompactionPlan { messages: question(&journal.entries, old, budget), through })
}

/// An estimate of the tokens of the conversation as it stands, without the system prompt.
pub fn context_tokens(journal: &Journal) -> usize {
    let said: usize = context::conversation(&journal.entries).map(tokens::of_message).sum();
    let summary = context::last_summary(&journal.entries).map_or(0, tokens::of_text);
    let pending = if journal.has_user_entry() { &[][..] } else { journal.inbound.added(journal.is_fresh()) };
    said + summary + pending.iter().map(tokens::of_message).sum::<usize>()
}

/// The latest position such that everything after it costs about `keep` tokens and begins where no call is open.
fn cut(journal: &Journal, keep: usize) -> Option<Seq> {
    let already = last_through(&journal.entries);
    let mut kept = 0;
    let mut at = None;
    for (index, recorded) in journal.entries.iter().enumerate().rev() {
        if recorded.seq <= already {
            break;
        }
        let cost: usize = context::conversation(std::slice::from_ref(recorded)).map(tokens::of_message).sum();
        if kept > 0 && kept + cost > keep && at.is_some() {
            break;
        }
        kept += cost;
        if starts_clean(&recorded.entry) && index > 0 {
            at = Some(journal.entries[index - 1].seq);
            if kept >= keep {
                break;
            }
        }
    }
    let everything = || journal.history().last().map(|r| r.seq);
    let through = if journal.has_user_entry() { at } else { at.or_else(everything) };
    through.filter(|through| has_something(journal, already, *through))
}

/// A context may begin with this entry: every earlier call has its result.
fn starts_clean(entry: &Entry) -> bool {
    matches!(entry, Entry::User { .. } | Entry::Assistant { .. })
}

/// The position up to which the last summary reaches.
fn last_through(entries: &[Recorded]) -> Seq {
    let last = entries.iter().rev().find_map(|recorded| match &*recorded.entry {
        Entry::Compaction { through, .. } => Some(*through),
        _ => None,
    });
    last.unwrap_or(0)
}

/// A summary through this position would take something out of the context.
fn has_something(journal: &Journal, already: Seq, through: Seq) -> bool {
    let old = journal.entries.iter().filter(|r| r.seq > already && r.seq <= through);
    old.into_iter().any(|r| context::conversation(std::slice::from_ref(r)).next().is_some())
}

/// What the model is asked: the previous summary and the old messages as one text, cut to fit the model. Of a text
/// that does not fit, the latest part is kept.
fn question(all: &[Recorded], old: &[Recorded], budget_tokens: usize) -> Vec<Cow<'static, Message>> {
    let mut text = String::new();
    if let Some(summary) = context::last_summary(all) {
        text.push_str("Summary of what came before:\n");
        text.push_str(summary);
        text.push_str("\n\n");
    }
    for message in context::conversation(old) {
        let speaker = match message {
            Message::User { .. } => "User",
            Message::Assistant { .. } => "Assistant",
            Message::Tool { .. } => "Tool result",
            Message::System { .. } => "Instructions",
        };
        text.push_str(speaker);
        text.push_str(": ");
        text.extend(message.text().chars().take(EXCERPT_CHARS));
        if let Message::Assistant { tool_calls, .. } = message {
            for call in tool_calls {
                text.push_str(&format!("\n[called {} with ", call.name));
                text.extend(call.arguments.chars().take(EXCERPT_CHARS));
                text.push(']');
            }
        }
        text.push_str("\n\n");
    }
    let room = budget_tokens.saturating_mul(3);
    let mut start = text.len().saturating_sub(room);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    vec![
        Cow::Owned(Message::System { text: INSTRUCTIONS.to_owned() }),
        Cow::Owned(Message::user(format!("Compress this conversation:\n\n{}", &text[start..]))),
    ]
}
