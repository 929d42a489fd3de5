//! `regrow serve`: one replica, from start to a clean end.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use regrow_gateway::{Limits, Shutdown};
use regrow_worker::Worker;

use crate::advertise::{self, Advertised};
use crate::cli::{Common, Serve};
use crate::client::local;
use crate::config::{Bind, Role};
use crate::outcome::Unusable;
use crate::replica_process::READY_FILE;
use crate::seams::Seams;
use crate::state::State;
use crate::stop::Stop;
use crate::{descriptors, logging, wiring};

/// How long connections have to close at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How long a start waits for a store that is not there yet.
const STORE_WITHIN: Duration = Duration::from_secs(30);
/// How often what was kept long enough is deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// The exit code after a second signal: 128 and SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

pub(super) fn run(common: &Common, serve: &Serve, seams: &Seams) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let mut state = State::open(common)?;
    apply(&mut state, serve)?;
    logging::init(&state.config.logging);
    descriptors::raise_limit();
    state.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let code = runtime.block_on(replica(&state, seams, started))?;
    // What still blocks a thread must not delay the end; everything that matters is committed.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(code)
}

/// The command line goes before the file and the environment.
fn apply(state: &mut State, serve: &Serve) -> anyhow::Result<()> {
    let gateway = &mut state.config.gateway;
    if let Some(port) = serve.port {
        gateway.port = port;
    }
    match serve.bind.as_deref() {
        None => {}
        Some("loopback" | "auto") => gateway.bind = Bind::Loopback,
        Some("lan") => gateway.bind = Bind::Lan,
        Some(address) => {
            let address = address.parse::<IpAddr>().map_err(|_| {
                Unusable(format!("--bind {address}: say loopback, lan or an IP address of this machine"))
            })?;
            gateway.bind = Bind::Custom;
            gateway.custom_bind_host = Some(address);
        }
    }
    if let Some(said) = &serve.advertise {
        Advertised::parse(said).map_err(|why| Unusable(format!("--advertise {said}: {why}")))?;
        state.config.regrow.advertise = Some(said.clone());
    }
    if !serve.role.is_empty() {
        state.config.regrow.roles = serve.role.iter().map(|role| (*role).into()).collect();
    }
    let open = gateway_is_open(state);
    let address = state.config.gateway.listen_address();
    if open && !address.ip().is_loopback() {
        let message = format!(
            "gateway.auth.mode is none, and {address} is reachable from other machines: everybody there could use the \
             agents. Configure a token, or bind to loopback"
        );
        return Err(Unusable(message).into());
    }
    Ok(())
}

fn gateway_is_open(state: &State) -> bool {
    state.config.gateway.auth.mode == Some(crate::config::AuthMode::None)
}

async fn replica(state: &State, seams: &Seams, started: Instant) -> anyhow::Result<ExitCode> {
    state.create()?;
    let listener = listen(state)?;
    let address = listener.local_addr().context("the listener has no address")?;
    let opened = wiring::store(state, STORE_WITHIN).await?;
    let auth = wiring::auth(state, &*opened)?;
    let store = (seams.store)(opened);
    let models = Arc::new(wiring::models(state)?);
    let advertised = advertised(state, address);
    if store.is_shared_across_machines() && advertise::is_loopback(&advertised) {
        tracing::warn!(
            address = %advertised,
            "replicas on other machines cannot reach this one, so their clients see its replies late: listen on more than \
             the loopback (--bind lan), or say where peers reach it (--advertise HOST)"
        );
    }
    let options = worker_options(state, seams, advertised.clone())?;
    let worker = Worker::start(options, store, Arc::clone(&models)).await?;
    let shutdown = Shutdown { grace: CLOSE_WITHIN, ..Shutdown::default() };
    let gateway = regrow_gateway::serve(
        gateway_options(state, listener, &models, auth, started)?,
        worker.clone(),
        shutdown.clone(),
    );
    let mut gateway = tokio::spawn(gateway);
    // Whoever reads that it serves may ask it to stop at once.
    let mut stop = Stop::listen()?;
    announce(state, local(address), &advertised, &worker, started)?;
    tokio::select! {
        () = stop.next() => {}
        ended = &mut gateway => {
            ended.context("the gateway failed")?;
            anyhow::bail!("the gateway ended by itself");
        }
    }
    tracing::info!("stopping; a second signal stops at once");
    let end = async {
        worker.withdraw();
        tokio::time::sleep(Duration::from_secs(u64::from(state.config.regrow.notice_seconds))).await;
        shutdown.release.cancel();
        worker.drain().await;
        shutdown.drain.cancel();
        shutdown.cut.cancel();
        gateway.await
    };
    tokio::select! {
        ended = end => {
            let dropped = ended.context("the gateway failed")?;
            if dropped > 0 {
                tracing::warn!(dropped, "connections did not close in time");
            }
            Ok(ExitCode::SUCCESS)
        }
        () = stop.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

fn listen(state: &State) -> anyhow::Result<TcpListener> {
    let address = state.config.gateway.listen_address();
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::Error::from(Unusable(format!(
            "{address} is in use; a second replica needs a port of its own: regrow --port {}",
            address.port().wrapping_add(1)
        ))),
        _ => anyhow::Error::from(Unusable(format!("cannot listen on {address}: {error}"))),
    })?;
    listener.set_nonblocking(true).context("cannot listen without blocking")?;
    Ok(listener)
}

fn worker_options(state: &State, seams: &Seams, address: String) -> anyhow::Result<regrow_worker::Options> {
    let config = &state.config;
    let own = &config.regrow;
    Ok(regrow_worker::Options {
        address,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: own.slots.or(config.agents.defaults.max_concurrent).unwrap_or(wiring::SLOTS),
        lease: Duration::from_secs(u64::from(own.lease_seconds)),
        max_queued: wiring::max_queued(config),
        max_ready: u64::from(own.max_ready),
        drain: Duration::from_secs(u64::from(own.drain_seconds)),
        runs: own.roles.contains(&Role::Worker),
        retention: wiring::retention(&own.retention),
        prune_every: PRUNE_EVERY,
        agents: wiring::agents(state, &(seams.tools)())?,
    })
}

/// Where peers reach this replica, which listens at `address`.
pub(super) fn advertised(state: &State, address: SocketAddr) -> String {
    // What cannot be read was refused with the configuration or the command line.
    let said = state.config.regrow.advertise.as_deref().and_then(|said| Advertised::parse(said).ok());
    let pod_ip = std::env::var(advertise::POD_IP).ok();
    advertise::address(said.as_ref(), address, pod_ip.as_deref(), advertise::outward)
}

fn gateway_options(
    state: &State,
    listener: TcpListener,
    models: &Arc<regrow_providers::Models>,
    auth: regrow_gateway::Auth,
    started: Instant,
) -> anyhow::Result<regrow_gateway::Options> {
    let config = &state.config;
    let models = Arc::clone(models);
    Ok(regrow_gateway::Options {
        listener: tokio::net::TcpListener::from_std(listener).context("cannot listen")?,
        auth,
        rate_limit: wiring::rate_limit(state),
        trusted_proxies: Vec::new(),
        agents: config.agents.entries.keys().map(ToString::to_string).collect(),
        default_agent: config.agents.default_agent().to_owned(),
        model_known: Arc::new(move |name| models.info(name).is_some()),
        chat_completions: config.gateway.http.endpoints.chat_completions.enabled
            && config.regrow.roles.contains(&Role::Gateway),
        limits: Limits::default(),
        started,
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Tells people where the gateway is and how to try it, and a supervisor (by the file that it names in
/// `REGROW_READY_FILE`) that it serves.
fn announce(
    state: &State,
    address: SocketAddr,
    advertised: &str,
    worker: &Worker,
    started: Instant,
) -> anyhow::Result<()> {
    let elapsed = started.elapsed().as_millis();
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
        writeln!(out, "Regrow {} serves at {url} after {elapsed} ms", env!("CARGO_PKG_VERSION"))?;
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
        Some(path) => write_ready_file(std::path::Path::new(&path), address, worker),
        None => Ok(()),
    }
}

fn write_ready_file(path: &std::path::Path, address: SocketAddr, worker: &Worker) -> anyhow::Result<()> {
    let ready = serde_json::json!({
        "address": address.to_string(),
        "replica": worker.replica().to_string(),
        "pid": std::process::id(),
    });
    let aside = path.with_extension("writing");
    std::fs::write(&aside, ready.to_string()).and_then(|()| std::fs::rename(&aside, path)).context(READY_FILE)
}
