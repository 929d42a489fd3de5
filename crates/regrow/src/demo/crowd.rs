//! All conversations, so many at once that they fit into the time. Those that do not fit are not begun; those that have
//! begun are finished, within bounds, so that the demonstration ends whatever happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::conversation::{Sender, Told};
use super::plan::{self, Conversation};
use super::progress::Progress;
use super::replicas::PACE_MS;
use crate::client::Client;

/// Conversations begin in this part of the time.
const BEGIN_WITHIN: f64 = 0.75;

/// How long after the time a reply may still come. Then it counts as lost.
const OVERTIME: Duration = Duration::from_secs(20);

/// How much longer a reply takes than its words: takeovers, and busy machines.
const SLACK: f64 = 1.4;

/// How many conversations are under way at once, at least and at most.
const AT_ONCE: (usize, usize) = (6, 64);

/// Conversations with what their senders were told.
pub(super) type Had = Vec<(Conversation, Vec<Told>)>;

/// Those who talk.
pub(super) struct Crowd {
    plan: Vec<Conversation>,
    time: Duration,
}

impl Crowd {
    pub(super) fn new(plan: Vec<Conversation>, time: Duration) -> Self {
        Self { plan, time }
    }

    /// How many conversations must be under way at once to have all of them in time.
    pub(super) fn at_once(&self) -> usize {
        let work = plan::words(&self.plan) as f64 * f64::from(PACE_MS) / 1e3 * SLACK;
        let needed = (work / (self.time.as_secs_f64() * BEGIN_WITHIN)).ceil() as usize;
        needed.clamp(AT_ONCE.0, AT_ONCE.1).min(self.plan.len())
    }

    /// Has the conversations; the result has those that were begun.
    pub(super) async fn talk(self, client: Client, progress: &Arc<Progress>) -> anyhow::Result<Had> {
        let (begun, at_once) = (Instant::now(), self.at_once());
        let deadline = begun + self.time + OVERTIME;
        let sender = Sender { client, progress: Arc::clone(progress), deadline };
        let mut plan = self.plan.into_iter();
        let mut under_way: JoinSet<(Conversation, Vec<Told>)> = JoinSet::new();
        let mut had = Vec::new();
        loop {
            while under_way.len() < at_once
                && begun.elapsed() < self.time.mul_f64(BEGIN_WITHIN)
                && let Some(conversation) = plan.next()
            {
                let sender = sender.clone();
                under_way.spawn(async move {
                    let told = sender.have(&conversation).await;
                    (conversation, told)
                });
            }
            match under_way.join_next().await {
                Some(one) => had.push(one.context("a conversation broke off")?),
                None => return Ok(had),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn there_are_as_many_conversations_at_once_as_the_time_needs() {
        let at_once = |conversations, seconds| {
            let plan = plan::conversations(conversations, &mut Rng::with_seed(1));
            Crowd::new(plan, Duration::from_secs(seconds)).at_once()
        };
        assert!(at_once(120, 30) > at_once(120, 60) && at_once(240, 30) > at_once(120, 30));
        assert_eq!((at_once(20, 600), at_once(1_000, 10)), AT_ONCE);
        assert_eq!(at_once(3, 3), 3);
    }
}
