//! What all requests share.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Limits, Rules};

/// The state behind the routes; connections share it.
pub(crate) struct App<E> {
    /// Who answers.
    pub(crate) engine: E,
    /// Who may ask, and for what.
    pub(crate) rules: Arc<Rules>,
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
