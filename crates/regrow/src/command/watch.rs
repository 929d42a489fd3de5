//! The door for those who watch a replica, if one is asked for: metrics and load.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use regrow_store::Store;
use regrow_telemetry::Metrics;
use regrow_worker::Worker;

use super::serve::listen_at;
use crate::state::State;
use crate::version;

/// An open door that nobody is served at yet.
pub(super) struct Watch {
    listener: TcpListener,
    metrics: Metrics,
}

impl Watch {
    /// Opens the door that is configured.
    pub(super) fn open(state: &State) -> anyhow::Result<Option<Self>> {
        let Some(port) = state.config.regrow.metrics_port else { return Ok(None) };
        let address = SocketAddr::new(state.config.gateway.listen_address().ip(), port);
        let listener = listen_at(address, "--metrics-port")?;
        let metrics = Metrics::new(version::VERSION, version::revision().unwrap_or("unknown"))
            .context("cannot make the metrics")?;
        Ok(Some(Self { listener, metrics }))
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn address(&self) -> SocketAddr {
        // A listener that is bound has one.
        self.listener.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Serves for as long as it is polled.
    pub(super) async fn serve(self, worker: Worker, store: Arc<dyn Store>) {
        match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => regrow_telemetry::serve(listener, self.metrics, worker, store).await,
            Err(error) => tracing::error!(%error, "nobody can watch"),
        }
    }
}
