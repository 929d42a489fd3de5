//! How much all replicas have to do: the same figures from each of them, because they come from the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regrow_store::{Error, Store};
use serde::Serialize;
use tokio::sync::Mutex;

/// How long figures are good for: however many ask, the store is asked once in this time.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// How long the store may take: whoever watches wants the other figures all the more while it is away.
const WITHIN: Duration = Duration::from_secs(1);

/// What autoscalers read. Sessions, not messages: the messages of one session wait for each other anyway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Sessions that wait for a replica.
    pub ready: u64,
    /// Sessions that run.
    pub running: u64,
    /// Runs that all living replicas can drive at once.
    pub slots: u64,
    /// Replicas that live, drive runs and are not leaving.
    pub replicas: u64,
    /// How long the first session that waits has waited.
    pub oldest_ready_seconds: f64,
    /// How many replicas' slots would be full with what is ready and running.
    pub load: f64,
}

/// The store, asked seldom.
pub struct Looks {
    store: Arc<dyn Store>,
    last: Mutex<Option<(Instant, Result<Load, Error>)>>,
}

impl Looks {
    /// Nothing is asked yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, last: Mutex::default() }
    }

    /// The load now. Who comes while it is looked up waits for the same answer.
    ///
    /// # Errors
    /// If the store does not answer in time.
    pub async fn load(&self) -> Result<Load, Error> {
        let mut last = self.last.lock().await;
        if let Some((at, load)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return load.clone();
        }
        let load = match tokio::time::timeout(WITHIN, self.look()).await {
            Ok(load) => load,
            Err(_) => Err(Error::Unavailable(format!("no answer within {WITHIN:?}"))),
        };
        *last = Some((Instant::now(), load.clone()));
        load
    }

    async fn look(&self) -> Result<Load, Error> {
        let (load, replicas) = (self.store.load().await?, self.store.list_replicas().await?);
        let alive = replicas
            .iter()
            .filter(|replica| replica.slots > 0 && !replica.draining && !replica.expires_in.is_zero());
        let (number, slots) =
            alive.fold((0, 0), |(number, slots), replica| (number + 1, slots + u64::from(replica.slots)));
        let work = (load.ready + load.running) as f64;
        Ok(Load {
            ready: load.ready,
            running: load.running,
            slots,
            replicas: number,
            oldest_ready_seconds: load.oldest_ready.as_secs_f64(),
            load: if slots == 0 { work } else { work * number as f64 / slots as f64 },
        })
    }
}
