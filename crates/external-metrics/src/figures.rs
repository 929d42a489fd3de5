//! The load, from a store that may not be there yet.
//!
//! Whoever asks before the store was opened, or while it is away, is told why there are no figures; an autoscaler then
//! keeps the number of replicas. A store that was opened finds its way back by itself.

use std::sync::Arc;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use regrow_store::Store;
use regrow_telemetry::{Load, Looks};

/// The pause between two attempts to open the store.
const PAUSE: Duration = Duration::from_secs(2);

/// The figures, as far as they can be known.
#[derive(Default)]
pub struct Figures {
    looks: OnceLock<Looks>,
    /// Why the store could not be opened.
    why: Mutex<Option<String>>,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figures").field("opened", &self.looks.get().is_some()).finish_non_exhaustive()
    }
}

impl Figures {
    /// Opens the store, again and again until that succeeds. Meanwhile the figures are unknown, and why is told.
    pub async fn open<E: std::fmt::Display>(&self, open: impl AsyncFn() -> Result<Arc<dyn Store>, E>) {
        loop {
            match open().await {
                Ok(store) => {
                    // A second store would be refused; there is one caller.
                    let _ = self.looks.set(Looks::new(store));
                    tracing::info!("the store is open");
                    return;
                }
                Err(error) => self.complain(format!("{error:#}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Each reason is logged once.
    fn complain(&self, error: String) {
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if why.as_ref() != Some(&error) {
            tracing::warn!(%error, "the store cannot be opened; trying again");
        }
        *why = Some(error);
    }

    /// The load, at most a second old; the error says why it is unknown.
    pub(crate) async fn load(&self) -> Result<Load, String> {
        let why = match self.looks.get() {
            Some(looks) => match looks.load().await {
                Ok(load) => return Ok(load),
                Err(error) => error.to_string(),
            },
            None => {
                let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
                why.clone().unwrap_or_else(|| "the store is not open yet".to_owned())
            }
        };
        Err(format!("the load is unknown: {why}"))
    }
}
