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
    let present = context_tokens(journal);
    if !overflow && present + prompt_tokens <= budget {
        return None;
    }
    // A provider that refused takes less than is configured: each refusal then halves what is kept.
    let budget = if overflow { budget.min(present) } else { budget };
    let keep = (agent.keep_recent_tokens as usize).min(budget / 2);
    let through = cut(journal, keep)?;
    Some(CompactionPlan { messages: question(journal, through, budget), through })
}

/// An estimate of the tokens of the conversation as it stands, without the system prompt.
pub fn context_tokens(journal: &Journal) -> usize {
    let summary = journal.transcript.summary().map_or(0, tokens::of_text);
    summary + journal.transcript.tokens() + cost(context::said(journal.pending()))
}

/// The position after which about `keep` tokens of conversation remain, the run's own message included, and before
/// which something was said. The context after it begins where no call is open.
fn cut(journal: &Journal, keep: usize) -> Option<Seq> {
    let context = journal.context();
    let first = context.iter().position(|recorded| conversation(recorded).next().is_some())?;
    let mut kept = 0;
    let mut at = None;
    for index in (first + 1..=context.len()).rev() {
        let (cost, clean) = match context.get(index) {
            Some(recorded) => (cost(conversation(recorded)), starts_clean(&recorded.entry)),
            // A message counts as the entry that it will be, so that recording it changes no decision.
            None => (cost(context::said(journal.pending())), is_pending_clean(journal)),
        };
        if at.is_some() && kept + cost > keep {
            break;
        }
        kept += cost;
        if clean {
            at = Some(context[index - 1].seq);
        }
    }
    at
}

fn cost<'a>(messages: impl Iterator<Item = &'a Message>) -> usize {
    messages.map(tokens::of_message).sum()
}

/// A context may begin with the run's message, which is not recorded yet.
fn is_pending_clean(journal: &Journal) -> bool {
    !journal.has_user_entry() && !answers_calls(journal.pending())
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
fn question(journal: &Journal, through: Seq, budget_tokens: usize) -> Vec<Cow<'static, Message>> {
    let context = journal.context();
    let old = &context[..context.partition_point(|recorded| recorded.seq <= through)];
    let mut said = String::new();
    context::conversation(old).for_each(|message| push_message(&mut said, message));
    let room = budget_tokens.saturating_mul(BYTES_PER_TOKEN);
    let mut text = String::from("Compress this conversation:\n\n");
    let mut left = room;
    if let Some(summary) = journal.transcript.summary() {
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
