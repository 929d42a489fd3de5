//! The second witness: what the store has recorded, read when all is over. Senders only see what they are told; the log
//! shows whether a message was consumed twice, a run ended twice, or an owner wrote that was one no longer.

use std::collections::HashMap;

use anyhow::Context;
use regrow_agent::{Ending, Entry};
use regrow_protocol::{Message, SessionId, SessionKey};
use regrow_store::{LogEntry, Store};

/// Entries of one read.
const PAGE: usize = 500;

/// What is recorded of one message.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// Its places among the messages of its conversation; the first is 1. There must be one.
    pub(super) places: Vec<usize>,
    /// How often its run ended.
    pub(super) ends: usize,
    /// It ended with a reply.
    pub(super) done: bool,
}

/// What is recorded of a conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    /// Its messages, by their texts.
    pub(super) messages: HashMap<String, Record>,
    /// Entries under a lease older than that of an entry before: written by an owner that was one no longer.
    pub(super) stale: usize,
}

/// Reads the log of a session.
pub(super) async fn read(store: &dyn Store, session: &str) -> anyhow::Result<Log> {
    let key = SessionKey::from_caller(session, "main").context("the session's key")?;
    let session = SessionId::of(&key);
    let mut entries: Vec<LogEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.seq);
        let page = store.read_log(session, after, PAGE).await.context("cannot read a log")?;
        if page.is_empty() {
            return fold(&entries);
        }
        entries.extend(page);
    }
}

fn fold(entries: &[LogEntry]) -> anyhow::Result<Log> {
    let stale = entries.windows(2).filter(|pair| pair[1].epoch < pair[0].epoch).count();
    let mut log = Log { stale, ..Log::default() };
    let (mut place, mut texts) = (0, HashMap::new());
    for entry in entries {
        match serde_json::from_slice(&entry.payload).context("an entry of a log cannot be read")? {
            Entry::User { messages, .. } => {
                place += 1;
                let text = messages.iter().map(Message::text).collect::<Vec<_>>().join("\n");
                log.messages.entry(text.clone()).or_default().places.push(place);
                texts.insert(entry.run, text);
            }
            Entry::Final(end) => {
                // A run that ended without having begun is of no message that was sent.
                let record =
                    log.messages.entry(texts.get(&entry.run).cloned().unwrap_or_default()).or_default();
                record.ends += 1;
                record.done = end.ending == Ending::Done;
            }
            _ => {}
        }
    }
    Ok(log)
}
