//! A run whose only listener goes away is aborted, as OpenClaw does it. A sender that gave an idempotency key has said
//! that it will come back, and one that attached to a run does not own it: their runs go on.

use regrow_protocol::RunId;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::engine::Engine;

/// Dropped before [`Abandon::settled`], it aborts its run, unless this replica itself ends the connection.
pub(super) struct Abandon<E: Engine> {
    armed: Option<Armed<E>>,
}

struct Armed<E> {
    engine: E,
    run: RunId,
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<E: Engine> Abandon<E> {
    /// Watches over a run, if its only listener is this connection.
    pub(super) fn new(app: &App<E>, run: RunId, only_listener: bool) -> Self {
        let armed = only_listener.then(|| Armed {
            engine: app.engine.clone(),
            run,
            tasks: app.tasks.clone(),
            cut: app.cut.clone(),
        });
        Self { armed }
    }

    /// The client has what it waited for, or was told how to go on.
    pub(super) fn settled(&mut self) {
        self.armed = None;
    }
}

impl<E: Engine> Drop for Abandon<E> {
    fn drop(&mut self) {
        let Some(Armed { engine, run, tasks, cut }) = self.armed.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        if cut.is_cancelled() {
            return;
        }
        tasks.spawn_on(
            async move {
                tracing::debug!(run.id = %run, "the client left; its run is aborted");
                if let Err(error) = engine.abort(run).await {
                    tracing::warn!(run.id = %run, %error, "the run of a client that left goes on");
                }
            },
            &runtime,
        );
    }
}
