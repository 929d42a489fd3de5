//! Hints to replicas of this and of other processes.
//!
//! Those for others that come at about the same time go out in one notification, never inside a transaction that matters:
//! while a transaction that notifies commits, no other one can. A hint that is lost is not missed: whoever waits for one
//! also polls.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::links::Links;
use crate::{Error, Hint, hint};

/// The channel of all replicas.
pub(super) const CHANNEL: &str = "regrow";

pub(super) const NOTIFY: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
    SELECT pg_notify('regrow', $1), pg_backend_pid() AS pid FROM relaxed";

/// Hints that a slow receiver may be behind; beyond that it misses some.
const BACKLOG: usize = 1_024;

/// The time between two notifications, in which hints gather.
const GATHER: Duration = Duration::from_millis(10);

/// The most hints that gather; more are lost.
const GATHERED: usize = 4_096;

/// Hints of one notification, which holds at most 8,000 bytes.
const RECORDS: usize = 200;

/// Sends and receives hints.
pub(super) struct Wake {
    local: broadcast::Sender<Hint>,
    gathered: Mutex<HashSet<Hint>>,
    waiting: Notify,
    /// There is nobody else to tell.
    alone: AtomicBool,
    /// The server's process that sends for this one, whose notifications are echoes.
    echo: AtomicI32,
}

impl Wake {
    pub(super) fn new() -> Arc<Self> {
        let (local, _) = broadcast::channel(BACKLOG);
        Arc::new(Self {
            local,
            gathered: Mutex::default(),
            waiting: Notify::new(),
            alone: AtomicBool::new(false),
            echo: AtomicI32::new(0),
        })
    }

    /// Hints from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.local.subscribe()
    }

    /// Whether there is anybody else to tell.
    pub(super) fn is_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Relaxed);
    }

    /// Tells everyone.
    pub(super) fn send(&self, hints: impl IntoIterator<Item = Hint>) {
        let alone = self.alone.load(Ordering::Relaxed);
        for hint in hints {
            // Nobody listening is no failure.
            let _ = self.local.send(hint);
            if !alone {
                let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
                if gathered.len() < GATHERED && gathered.insert(hint) && gathered.len() == 1 {
                    self.waiting.notify_one();
                }
            }
        }
    }

    /// A notification has come.
    pub(super) fn heard(&self, from: i32, payload: &str) {
        if from == self.echo.load(Ordering::Relaxed) {
            return;
        }
        for hint in decode(payload) {
            let _ = self.local.send(hint);
        }
    }

    /// Sends what has gathered, for ever.
    pub(super) async fn tell(self: Arc<Self>, links: Links) {
        let mut told: Option<Instant> = None;
        loop {
            self.waiting.notified().await;
            // The first hint after a pause goes at once.
            if let Some(told) = told {
                tokio::time::sleep_until(told + GATHER).await;
            }
            told = Some(Instant::now());
            let gathered = std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
            let hints: Vec<Hint> = gathered.into_iter().collect();
            for records in hints.chunks(RECORDS) {
                match links.query_opt(NOTIFY, &[&encode(records)]).await {
                    Ok(Some(r)) => self.echo.store(r.try_get("pid").unwrap_or(0), Ordering::Relaxed),
                    Ok(None) => {}
                    Err(failure) => tracing::debug!(error = %Error::from(failure), "hints are lost"),
                }
            }
        }
    }
}

fn encode(hints: &[Hint]) -> String {
    hint::encode(hints).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(payload: &str) -> Vec<Hint> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = payload.as_bytes().chunks(2).map(byte).collect();
    hint::decode(&bytes.unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use regrow_protocol::SessionId;

    use super::*;

    #[test]
    fn hints_survive_the_wire_and_what_is_none_is_passed_over() {
        let hints = [Hint::Ready, Hint::Session(SessionId::from_bytes([0xab; 16]))];
        assert_eq!(decode(&encode(&hints)), hints);
        assert_eq!(decode("not hex"), []);
        assert!(encode(&[Hint::Ready; RECORDS]).len() < 8_000);
    }
}
