//! What a replica says when it serves: to people on standard output, to a supervisor in a file.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use regrow_worker::Worker;

use super::serve::gateway_is_open;
use crate::replica_process::READY_FILE;
use crate::state::State;
use crate::version;

/// Where a replica serves.
pub(super) struct Serving<'a> {
    /// Its clients.
    pub(super) address: SocketAddr,
    /// Those who watch.
    pub(super) metrics: Option<SocketAddr>,
    /// Its peers.
    pub(super) advertised: &'a str,
}

/// Tells people where the gateway is and how to try it, and a supervisor (by the file that it names in
/// `REGROW_READY_FILE`) that it serves.
pub(super) fn announce(
    state: &State,
    serving: &Serving<'_>,
    worker: &Worker,
    started: Instant,
) -> anyhow::Result<()> {
    let elapsed = started.elapsed().as_millis();
    let Serving { address, metrics, advertised } = *serving;
    let url = format!("http://{address}");
    let configured = &state.config.gateway.auth;
    let generated = configured.token.is_none() && configured.password.is_none() && !gateway_is_open(state);
    let bearer =
        if generated { format!("$(cat {})", state.token_path().display()) } else { "$TOKEN".to_owned() };
    let header = if gateway_is_open(state) {
        String::new()
    } else {
        format!("-H \"Authorization: Bearer {bearer}\" ")
    };
    let mut out = std::io::stdout().lock();
    let mut say = || -> std::io::Result<()> {
        writeln!(out, "Regrow {} serves at {url} after {elapsed} ms", version::VERSION)?;
        match &state.config_path {
            Some(path) => writeln!(out, "  configuration  {}", path.display())?,
            None => writeln!(
                out,
                "  configuration  defaults (none at {})",
                state.directory.join("openclaw.json").display()
            )?,
        }
        if advertised != address.to_string() {
            writeln!(out, "  for peers      {advertised}")?;
        }
        if let Some(metrics) = metrics {
            writeln!(out, "  metrics        http://{metrics}/metrics")?;
        }
        if generated {
            writeln!(out, "  token          {}", state.token_path().display())?;
        }
        if state.config.models.providers.is_empty() {
            writeln!(
                out,
                "  model          the built-in demo model; configure models.providers for a real one"
            )?;
        }
        writeln!(
            out,
            "  try            curl -N {url}/v1/chat/completions {header}-H 'Content-Type: application/json' \\"
        )?;
        writeln!(
            out,
            "                   -d '{{\"model\":\"openclaw\",\"user\":\"me\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'"
        )?;
        writeln!(out, "  or             regrow chat")?;
        out.flush()
    };
    // Nobody reading standard output is no reason not to serve.
    let _ = say();
    match std::env::var_os(READY_FILE) {
        Some(path) => write_ready_file(Path::new(&path), serving, worker),
        None => Ok(()),
    }
}

fn write_ready_file(path: &Path, serving: &Serving<'_>, worker: &Worker) -> anyhow::Result<()> {
    let ready = serde_json::json!({
        "address": serving.address.to_string(),
        "metrics": serving.metrics.map(|metrics| metrics.to_string()),
        "replica": worker.replica().to_string(),
        "pid": std::process::id(),
    });
    let aside = path.with_extension("writing");
    std::fs::write(&aside, ready.to_string()).and_then(|()| std::fs::rename(&aside, path)).context(READY_FILE)
}
