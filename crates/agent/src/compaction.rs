//! When a conversation no longer fits its model: the older part is summarised into an entry of the log. Nothing is
//! deleted; the context merely starts later.

use std::borrow::Cow;

use regrow_protocol::{Message, Seq};

use crate::{Agent, Entry, Journal, Recorded, context, tokens};

/// The most characters of one message that the summary is made from.
const EXCERPT_CHARS: usize = 4_000;

/// Bytes of a question for each token of the budget: fewer than the estimate says, for text that has more tokens.
const BYTES_PER_TOKEN: usize = 3;

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
    Some(CompactionPlan { messages: question(journal.context(), through, budget), through })
}

/// An estimate of the tokens of the conversation as it stands, without the system prompt.
pub fn context_tokens(journal: &Journal) -> usize {
    let context = journal.context();
    let summary = context::last_summary(context).map_or(0, tokens::of_text);
    let recorded = context::conversation(context).map(tokens::of_message).sum::<usize>();
    let pending = context::said(journal.pending()).map(tokens::of_message).sum::<usize>();
    summary + recorded + pending
}

/// The latest position such that everything after it costs about `keep` tokens and begins where no call is open.
fn cut(journal: &Journal, keep: usize) -> Option<Seq> {
    let context = journal.context();
    let mut kept = 0;
    let mut at = None;
    for (index, recorded) in context.iter().enumerate().skip(1).rev() {
        let cost: usize = conversation(recorded).map(tokens::of_message).sum();
        if at.is_some() && kept + cost > keep {
            break;
        }
        kept += cost;
        if starts_clean(&recorded.entry) {
            at = Some(context[index - 1].seq);
        }
    }
    let at = at.or_else(|| everything(journal));
    at.filter(|through| context.iter().any(|r| r.seq <= *through && conversation(r).next().is_some()))
}

/// The end of the earlier runs, if the run's message is not recorded yet and can do without them word for word.
fn everything(journal: &Journal) -> Option<Seq> {
    if journal.has_user_entry() || answers_calls(journal.pending()) {
        return None;
    }
    journal.history().last().map(|recorded| recorded.seq)
}

/// A context may begin with this entry: every earlier call has its result.
fn starts_clean(entry: &Entry) -> bool {
    match entry {
        Entry::User { messages, .. } => !answers_calls(messages),
        Entry::Assistant { .. } => true,
        Entry::Final(last) => last.message.is_some(),
        _ => false,
    }
}

/// These messages begin with results of calls that were handed to the sender.
fn answers_calls(messages: &[Message]) -> bool {
    matches!(context::said(messages).next(), Some(Message::Tool { .. }))
}

fn conversation(recorded: &Recorded) -> impl Iterator<Item = &Message> {
    context::conversation(std::slice::from_ref(recorded))
}

/// What the model is asked: the previous summary, and the messages up to `through` as one text, cut to fit the model.
/// Of a text that does not fit, the latest part is kept; the summary, which stands for the most, has its room first.
fn question(context: &[Recorded], through: Seq, budget_tokens: usize) -> Vec<Cow<'static, Message>> {
    let old = &context[..context.partition_point(|recorded| recorded.seq <= through)];
    let mut said = String::new();
    context::conversation(old).for_each(|message| push_message(&mut said, message));
    let room = budget_tokens.saturating_mul(BYTES_PER_TOKEN);
    let mut text = String::from("Compress this conversation:\n\n");
    let mut left = room;
    if let Some(summary) = context::last_summary(context) {
        let summary = latest(summary, room / 2);
        left -= summary.len();
        text.push_str("Summary of what came before:\n");
        text.push_str(summary);
        text.push_str("\n\n");
    }
    text.push_str(latest(&said, left));
    vec![Cow::Owned(Message::System { text: INSTRUCTIONS.to_owned() }), Cow::Owned(Message::user(text))]
}

/// Adds an excerpt of a message and of the calls in it.
fn push_message(said: &mut String, message: &Message) {
    let speaker = match message {
        Message::User { .. } => "User",
        Message::Assistant { .. } => "Assistant",
        Message::Tool { .. } => "Tool result",
        Message::System { .. } => "Instructions",
    };
    said.push_str(speaker);
    said.push_str(": ");
    said.extend(message.text().chars().take(EXCERPT_CHARS));
    if let Message::Assistant { tool_calls, .. } = message {
        for call in tool_calls {
            said.push_str("\n[called ");
            said.push_str(&call.name);
            said.push_str(" with ");
            said.extend(call.arguments.chars().take(EXCERPT_CHARS));
            said.push(']');
        }
    }
    said.push_str("\n\n");
}

/// The last `room` bytes of a text, or a little less, so that it begins with a whole character.
fn latest(text: &str, room: usize) -> &str {
    let mut start = text.len().saturating_sub(room);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
