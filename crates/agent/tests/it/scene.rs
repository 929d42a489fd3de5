//! Short words for the entries and journals that the tests are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use regrow_agent::{
    Agent, Effect, Ending, Entry, Final, Inbound, Journal, Limits, Recorded, ToolOutcome, messages,
};
use regrow_protocol::{Message, StopReason, ToolCall, ToolSpec, Usage};

pub(crate) const USAGE: Usage = Usage { input: 10, output: 5, cache_read: 2, cache_write: 1 };

pub(crate) fn call(id: &str, name: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: "{}".to_owned() }
}

/// An assistant message with these calls, each written as `id:tool`.
pub(crate) fn assistant(text: &str, calls: &[&str]) -> Message {
    let tool_calls = calls.iter().map(|call| {
        let (id, name) = call.split_once(':').unwrap();
        self::call(id, name)
    });
    Message::Assistant { text: text.to_owned(), tool_calls: tool_calls.collect(), raw: None }
}

pub(crate) fn tool(call_id: &str, content: &str) -> Message {
    Message::Tool { call_id: call_id.to_owned(), content: content.to_owned(), is_error: false }
}

pub(crate) fn system(text: &str) -> Message {
    Message::System { text: text.to_owned() }
}

pub(crate) fn user(text: &str) -> Entry {
    consumed(vec![Message::user(text)])
}

pub(crate) fn consumed(messages: Vec<Message>) -> Entry {
    Entry::User { inbox_seq: 1, messages }
}

pub(crate) fn asks(text: &str, calls: &[&str]) -> Entry {
    Entry::Assistant { message: assistant(text, calls), model: "p/step".to_owned(), usage: USAGE }
}

pub(crate) fn started(call_id: &str) -> Entry {
    Entry::ToolStarted { call_id: call_id.to_owned() }
}

pub(crate) fn result(call_id: &str, content: &str) -> Entry {
    Entry::ToolResult { message: tool(call_id, content), outcome: ToolOutcome::Completed }
}

pub(crate) fn summary(summary: &str, through: i64) -> Entry {
    Entry::Compaction { summary: summary.to_owned(), through, usage: USAGE }
}

pub(crate) fn done(message: Option<Message>, stop: StopReason) -> Final {
    Final { ending: Ending::Done, message, stop, model: "p/last".to_owned(), usage: USAGE }
}

pub(crate) fn replied(text: &str) -> Entry {
    Entry::Final(done(Some(Message::assistant(text)), StopReason::Stop))
}

/// A journal of an earlier part and this run's part, numbered from 1.
pub(crate) fn journal(history: Vec<Entry>, run: Vec<Entry>, inbound: Inbound) -> Journal {
    let run_base = i64::try_from(history.len()).unwrap();
    let entries = (1..).zip(history.into_iter().chain(run));
    let entries = entries.map(|(seq, entry)| Recorded { seq, entry: Arc::new(entry) }).collect();
    Journal { transcript: entries, run_base, inbound, inbox_seq: 7 }
}

pub(crate) fn inbound(messages: Vec<Message>) -> Inbound {
    Inbound { messages, ..Inbound::default() }
}

/// An inbound message whose sender executes the tool `client` itself.
pub(crate) fn inbound_with_client_tool(messages: Vec<Message>) -> Inbound {
    Inbound { tools: vec![spec("client")], ..inbound(messages) }
}

pub(crate) fn spec(name: &str) -> ToolSpec {
    let (description, parameters) = (String::new(), serde_json::Value::Null);
    ToolSpec { name: name.to_owned(), description, parameters, strict: false }
}

/// What a model is shown, with the system prompt `P`.
pub(crate) fn rendered(journal: &Journal) -> Vec<Message> {
    messages(journal, "P").iter().cloned().collect()
}

/// An agent with a repeatable tool `pure` and an unsafe tool `unsafe`.
pub(crate) fn agent() -> Agent {
    Agent {
        tools: BTreeMap::from([
            ("pure".to_owned(), Effect::Repeatable),
            ("unsafe".to_owned(), Effect::Unsafe),
        ]),
        context_window: 100_000,
        reserve_tokens: 1_000,
        keep_recent_tokens: 1_000,
        limits: Limits { steps: 10, seconds: 600, tokens: 0, attempts: 3 },
    }
}
