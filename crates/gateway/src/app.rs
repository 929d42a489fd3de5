//! What all requests share.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Limits;
use crate::auth::Gate;
use crate::models::Roster;

/// The state behind the routes; connections share it.
pub(crate) struct App<E> {
    /// Who answers.
    pub(crate) engine: E,
    /// Who may ask.
    pub(crate) gate: Gate,
    /// Which agents can be asked.
    pub(crate) roster: Roster,
    /// Whether a `provider/model` is configured.
    pub(crate) model_known: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// `/v1/chat/completions` and `/v1/models` are served.
    pub(crate) chat_completions: bool,
    /// Bounds.
    pub(crate) limits: Limits,
    /// Room for bodies that are being read or parsed, in KiB. What does not fit is refused.
    pub(crate) body_room: Arc<Semaphore>,
    /// Connections, and what must be done after one has gone. Shutting down waits for them.
    pub(crate) tasks: TaskTracker,
    /// Replies that are waited for must end.
    pub(crate) cut: CancellationToken,
    /// When the process started.
    pub(crate) started: Instant,
    /// The program's version.
    pub(crate) version: &'static str,
}
