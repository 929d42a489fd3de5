//! Entries between the pure core and the store.

use std::sync::Arc;

use regrow_agent::{Entry, Recorded};
use regrow_protocol::{EntryKind, Seq, SessionId};
use regrow_store::{Error, LogEntry, NewEntry, Store};

/// Entries of one read.
const PAGE: usize = 1_000;

/// An entry as the store takes it.
pub(crate) fn encode(entry: &Entry) -> Result<NewEntry, Error> {
    let payload = serde_json::to_vec(entry)
        .map_err(|e| Error::Unusable(format!("an entry cannot be written as JSON: {e}")))?;
    Ok(NewEntry { kind: entry.kind(), payload })
}

/// Reads the entries after `after` up to `through`. Kinds that a newer release wrote are passed over.
pub(crate) async fn read(
    store: &dyn Store,
    session: SessionId,
    after: Seq,
    through: Seq,
) -> Result<Vec<Recorded>, Error> {
    let mut entries = Vec::new();
    let mut at = after;
    while at < through {
        let page =
            store.read_log(session, at, PAGE.min(usize::try_from(through - at).unwrap_or(PAGE))).await?;
        let Some(last) = page.last() else { break };
        at = last.seq;
        for entry in page.iter().filter(|entry| !matches!(entry.kind, EntryKind::Unknown(_))) {
            entries.push(decode(entry)?);
        }
    }
    Ok(entries)
}

fn decode(entry: &LogEntry) -> Result<Recorded, Error> {
    let decoded = serde_json::from_slice(&entry.payload)
        .map_err(|e| Error::Unusable(format!("entry {} of a session cannot be read: {e}", entry.seq)))?;
    Ok(Recorded { seq: entry.seq, entry: Arc::new(decoded) })
}
