//! Gathers what is known when all is over: what was told is asked for again, and the store is read.

use std::net::SocketAddr;

use regrow_store::Store;

use super::again::{self, Again};
use super::crowd::Had;
use super::progress::Seen;
use super::replicas::REPLICAS;
use super::report::{Report, Spread, millis};
use super::tally::History;
use super::witness;

/// Asks again for every reply that came. The results are in the order of conversations and messages.
pub(super) async fn ask_again(
    had: &Had,
    replicas: &[SocketAddr],
    token: &str,
) -> anyhow::Result<Vec<Vec<Again>>> {
    let sent = had.iter().flat_map(|(conversation, told)| {
        let messages = conversation.messages.iter().zip(told).filter(|(_, told)| told.text.is_some());
        messages.map(|(message, _)| (conversation.session.clone(), message.clone()))
    });
    again::ask(replicas, token, sent.collect()).await
}

/// Puts together what each sender was told, at first and again, and what is recorded.
pub(super) async fn gather(
    store: &dyn Store,
    had: Had,
    again: Vec<Vec<Again>>,
) -> anyhow::Result<Vec<History>> {
    let mut again = again.into_iter();
    let mut histories = Vec::new();
    for (conversation, told) in had {
        let log = witness::read(store, &conversation.session).await?;
        let messages = conversation.messages.into_iter().zip(told).map(|(message, told)| {
            let again = told.text.as_ref().and_then(|_| again.next()).unwrap_or_default();
            (message, told, again)
        });
        histories.push(History { messages: messages.collect(), log });
    }
    Ok(histories)
}

/// A report of what was measured, not judged yet.
pub(super) fn measured(histories: &[History], mut seen: Seen) -> Report {
    let told = || histories.iter().flat_map(|history| &history.messages).map(|(_, told, _)| told);
    let silence = told().map(|told| told.silence).max().unwrap_or_default();
    Report {
        replicas: REPLICAS,
        planned_conversations: seen.planned,
        conversations: histories.len(),
        kills: seen.kills,
        takeovers: seen.takeovers.len(),
        takeover_ms: Spread::of(&mut seen.takeovers),
        continued: told().filter(|told| told.continued > 0).count(),
        longest_silence_ms: millis(silence),
        ..Report::default()
    }
}
