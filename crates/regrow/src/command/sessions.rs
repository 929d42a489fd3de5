//! `regrow sessions`: conversations, read from the store; no gateway needs to run.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use regrow_agent::Entry;
use regrow_protocol::{Message, SessionId, SessionKey};
use regrow_store::{LogEntry, Reset, SessionView, Store};

use crate::cli::{Common, Sessions};
use crate::state::State;
use crate::{table, wiring};

/// Entries of one read.
const PAGE: usize = 500;

pub(super) async fn run(common: &Common, command: Sessions) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    let store = wiring::store(&state, Duration::ZERO).await?;
    match command {
        Sessions::List(listing) => {
            let sessions = store.list_sessions(listing.limit).await?;
            if listing.json {
                sessions.iter().for_each(|session| println!("{}", json(session)));
            } else {
                print(&sessions);
            }
        }
        Sessions::Show { key, json } => show(&*store, &named(&state, &key)?, json).await?,
        Sessions::Reset { key } => reset(&*store, &named(&state, &key)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The session that a person means: a full key, or a name under the default agent.
fn named(state: &State, key: &str) -> anyhow::Result<SessionKey> {
    let full = if key.starts_with("agent:") {
        key.to_owned()
    } else {
        format!("agent:{}:{key}", state.config.agents.default_agent())
    };
    full.parse().with_context(|| format!("`{key}` is not a session key"))
}

fn json(session: &SessionView) -> serde_json::Value {
    serde_json::json!({
        "key": session.key, "createdAt": session.created_at, "updatedAt": session.updated_at,
        "messages": session.messages, "waiting": session.waiting, "entries": session.log_head,
    })
}

fn print(sessions: &[SessionView]) {
    let rows: Vec<[String; 5]> = sessions
        .iter()
        .map(|session| {
            [
                session.key.to_string(),
                session.messages.to_string(),
                session.waiting.to_string(),
                session.log_head.to_string(),
                table::moment(session.updated_at),
            ]
        })
        .collect();
    table::print(["SESSION", "MESSAGES", "WAITING", "ENTRIES", "UPDATED"], &rows);
}

async fn show(store: &dyn Store, key: &SessionKey, json: bool) -> anyhow::Result<()> {
    let session = SessionId::of(key);
    if store.find_session(session).await?.is_none() {
        bail!("there is no session {key}; list them with: regrow sessions list");
    }
    let mut after = 0;
    loop {
        let page = store.read_log(session, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        page.iter().for_each(|entry| if json { print_json(entry) } else { print_entry(entry) });
    }
}

/// One entry as a line of JSON.
pub(super) fn print_json(entry: &LogEntry) {
    let payload: serde_json::Value = serde_json::from_slice(&entry.payload).unwrap_or_default();
    let line = serde_json::json!({
        "seq": entry.seq, "run": entry.run, "epoch": entry.epoch, "at": entry.at, "entry": payload,
    });
    println!("{line}");
}

/// One entry for people.
pub(super) fn print_entry(entry: &LogEntry) {
    let head = format!("{:>5}  {}", entry.seq, table::moment(entry.at));
    match serde_json::from_slice::<Entry>(&entry.payload) {
        Err(_) => println!("{head}  (written by a newer release)"),
        Ok(Entry::User { messages, .. }) => messages.iter().for_each(|message| print_message(&head, message)),
        Ok(Entry::Assistant { message, .. } | Entry::ToolResult { message, .. }) => {
            print_message(&head, &message)
        }
        Ok(Entry::ToolStarted { call_id }) => println!("{head}  starts      {call_id}"),
        Ok(Entry::Compaction { summary, through, .. }) => {
            println!("{head}  summary     of everything up to {through}: {summary}");
        }
        Ok(Entry::Reset) => println!("{head}  reset"),
        Ok(Entry::Final(last)) => match (&last.message, &last.ending) {
            (Some(message), regrow_agent::Ending::Done) => print_message(&head, message),
            (message, ending) => {
                message.iter().for_each(|message| print_message(&head, message));
                print_ending(&head, ending);
            }
        },
    }
}

fn print_ending(head: &str, ending: &regrow_agent::Ending) {
    match ending {
        regrow_agent::Ending::Done => println!("{head}  done"),
        regrow_agent::Ending::Aborted => println!("{head}  aborted"),
        regrow_agent::Ending::Failed(failure) => println!("{head}  failed      {}", failure.message),
    }
}

fn print_message(head: &str, message: &Message) {
    let (who, calls) = match message {
        Message::System { .. } => ("system", &[][..]),
        Message::User { .. } => ("user", &[][..]),
        Message::Tool { .. } => ("tool", &[][..]),
        Message::Assistant { tool_calls, .. } => ("assistant", &tool_calls[..]),
    };
    let text = message.text();
    if !text.is_empty() {
        println!("{head}  {who:<10}  {}", text.replace('\n', "\n                                         "));
    }
    calls.iter().for_each(|call| println!("{head}  calls       {}({})", call.name, call.arguments));
}

async fn reset(store: &dyn Store, key: &SessionKey) -> anyhow::Result<()> {
    match store.reset(SessionId::of(key)).await? {
        Reset::Done => println!("{key} starts afresh with its next message"),
        Reset::Missing => bail!("there is no session {key}; list them with: regrow sessions list"),
        Reset::Busy => {
            bail!("messages of {key} wait or run; abort them first: regrow runs list, regrow runs abort RUN")
        }
    }
    Ok(())
}
