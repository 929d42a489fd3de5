//! A conversation: several senders write to one session at the same time, and a last message takes stock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use fastrand::Rng;
use tokio::task::JoinSet;

use super::Trial;
use super::sender::Sender;
use crate::history::Ask;

/// Senders of one session.
const SENDERS: usize = 2;

/// What became of a conversation.
pub(super) struct Conversation {
    pub(super) session: String,
    /// The message that takes stock.
    pub(super) last: String,
    pub(super) asks: Vec<Ask>,
}

/// Holds one conversation after the other.
pub(super) async fn until_enough(trial: Arc<Trial>) -> Result<Vec<Conversation>> {
    let mut held = Vec::new();
    while !trial.enough.load(Ordering::Relaxed) {
        let number = trial.begun.fetch_add(1, Ordering::Relaxed);
        held.push(hold(&trial, number).await?);
    }
    Ok(held)
}

async fn hold(trial: &Arc<Trial>, number: usize) -> Result<Conversation> {
    let session = format!("s{number}");
    let mut random = Rng::with_seed(trial.options.seed.wrapping_mul(1_000_003) ^ number as u64);
    let mut senders = JoinSet::new();
    for name in 0..SENDERS {
        let mut sender = Sender::new(Arc::clone(&trial.scene), session.clone(), random.fork());
        let messages = random.usize(1..=trial.options.messages);
        senders.spawn(async move {
            let mut ended = Vec::new();
            for message in 0..messages {
                let id = format!("s{number}-{name}{message}");
                let script = script(&id, sender.random());
                let stream = sender.random().bool();
                if !sender.insist(&id, &script, stream).await {
                    break;
                }
                ended.push((id, script, stream));
            }
            // Whoever asks again, elsewhere and in the other way, is told the same end.
            for (id, script, stream) in ended {
                sender.insist_again(&id, &script, !stream).await;
            }
            sender.asks
        });
    }
    let mut asks = Vec::new();
    while let Some(sent) = senders.join_next().await {
        asks.extend(sent?);
    }
    let last = format!("s{number}-end");
    let mut sender = Sender::new(Arc::clone(&trial.scene), session.clone(), random);
    sender.insist(&last, &format!("[[id={last}]]"), true).await;
    asks.append(&mut sender.asks);
    Ok(Conversation { session, last, asks })
}

/// What the model is to do with a message: some answers are short, some long; some call tools first; some differ each time
/// that they are asked for.
fn script(id: &str, random: &mut Rng) -> String {
    let (tokens, delay) = (random.u8(5..40), random.u8(0..15));
    let vary = if random.bool() { " vary" } else { "" };
    let tool = match random.u8(..6) {
        0 => format!(r#" tool=write args={{"path":"{id}","content":"{id}"}}"#),
        1 => format!(r#" tool=session_status rounds=2 tool=read args={{"path":"{id}"}}"#),
        _ => String::new(),
    };
    format!("[[id={id} tokens={tokens} delay_ms={delay}{vary}{tool}]]")
}
