//! `regrow serve`: one replica, from start to a clean end.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use regrow_gateway::{Limits, Rules, Shutdown};
use regrow_worker::Worker;

use crate::advertise::{self, Advertised};
use crate::cli::{Common, Serve};
use crate::client::local;
use crate::config::{Bind, Keys, Role, Watched};
use crate::in_force::Kept;
use crate::logging::Level;
use crate::outcome::Unusable;
use crate::seams::Seams;
use crate::settings::Workshop;
use crate::state::{State, random_token};
use crate::stop::Stop;
use crate::{descriptors, logging, otel, wiring};

use super::announce::{Serving, announce};
use super::reload::Reload;
use super::watch::Watch;

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
    let mut files = Vec::new();
    let mut state = State::open_watched(common, &mut files)?;
    let keys = state.keys(&random_token()?);
    apply(&mut state, serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let exporter = otel::start(&state.config.diagnostics, runtime.handle()).transpose();
    let level = logging::init(&state.config.logging, exporter.as_ref().ok().and_then(Option::as_ref));
    descriptors::raise_limit();
    state.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let exporter = exporter.unwrap_or_else(|error| {
        tracing::warn!(%error, "nothing is sent to the OpenTelemetry collector");
        None
    });
    let files = Files { common: common.clone(), serve: serve.clone(), keys, files, level };
    let ended = runtime.block_on(replica(Arc::new(state), files, seams, started));
    if let Some(exporter) = exporter
        && !matches!(&ended, Ok(code) if *code == ExitCode::from(INTERRUPTED))
    {
        exporter.end(otel::FLUSH_WITHIN);
    }
    let code = ended?;
    // What still blocks a thread must not delay the end; everything that matters is committed.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(code)
}

/// How the configuration was read.
struct Files {
    common: Common,
    serve: Serve,
    keys: Keys,
    files: Vec<Watched>,
    level: Level,
}

impl Files {
    /// Takes their changes from now on; returns the file that says what is in force.
    fn watch(
        self,
        state: &Arc<State>,
        address: SocketAddr,
        workshop: Workshop,
        worker: &Worker,
        rules: Arc<Rules>,
    ) -> anyhow::Result<PathBuf> {
        let Self { common, serve, keys, files, level } = self;
        let (kept, state, worker) = (Kept::new(&state.directory, address), Arc::clone(state), worker.clone());
        let reload =
            Reload { common, serve, state, keys, files, workshop, worker, rules, level, address, kept };
        reload.start()
    }
}

/// The command line goes before the file and the environment.
pub(super) fn apply(state: &mut State, serve: &Serve) -> anyhow::Result<()> {
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
    if let Some(port) = serve.metrics_port {
        state.config.regrow.metrics_port = Some(port);
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

pub(super) fn gateway_is_open(state: &State) -> bool {
    state.config.gateway.auth.mode == Some(crate::config::AuthMode::None)
}

async fn replica(
    state: Arc<State>,
    files: Files,
    seams: &Seams,
    started: Instant,
) -> anyhow::Result<ExitCode> {
    state.create()?;
    let listener = listen(&state)?;
    let address = listener.local_addr().context("the listener has no address")?;
    let watch = Watch::open(&state)?;
    let metrics = watch.as_ref().map(Watch::metrics).cloned();
    let store = (seams.store)(wiring::store(&state, STORE_WITHIN).await?);
    let store = match &metrics {
        Some(metrics) => metrics.over(store),
        None => store,
    };
    let workshop = Workshop { store: Arc::clone(&store), tools: (seams.tools)(), metrics };
    let settings = workshop.settings(&state)?;
    let rules = Rules::new(settings.door);
    let advertised = advertised(&state, address);
    if store.is_shared_across_machines() && advertise::is_loopback(&advertised) {
        tracing::warn!(
            address = %advertised,
            "replicas on other machines cannot reach this one, so their clients see its replies late: listen on more than \
             the loopback (--bind lan), or say where peers reach it (--advertise HOST)"
        );
    }
    let options = worker_options(&state, advertised.clone());
    let worker = Worker::start(options, settings.worker, Arc::clone(&store)).await?;
    let shutdown = Shutdown { grace: CLOSE_WITHIN, ..Shutdown::default() };
    let gateway = regrow_gateway::serve(
        gateway_options(listener, Arc::clone(&rules), started)?,
        worker.clone(),
        shutdown.clone(),
    );
    let mut gateway = tokio::spawn(gateway);
    // Whoever reads that it serves may ask it to stop at once.
    let mut stop = Stop::listen()?;
    let metrics = watch.as_ref().map(Watch::address);
    let serving = Serving { address: local(address), metrics: metrics.map(local), advertised: &advertised };
    let in_force = files.watch(&state, local(address), workshop, &worker, rules)?;
    announce(&state, &serving, &worker, started)?;
    // It tells of the end as well, until the process is gone.
    let _watching = watch.map(|watch| tokio::spawn(watch.serve(worker.clone(), store)));
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
        // Whoever finds it later finds nobody who goes by it.
        let _ = std::fs::remove_file(in_force);
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
    listen_at(state.config.gateway.listen_address(), "--port")
}

/// Listens at an address; `option` is what chooses another port.
pub(super) fn listen_at(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::Error::from(Unusable(format!(
            "{address} is in use; a second replica needs a port of its own: regrow {option} {}",
            address.port().wrapping_add(1)
        ))),
        _ => anyhow::Error::from(Unusable(format!("cannot listen on {address}: {error}"))),
    })?;
    listener.set_nonblocking(true).context("cannot listen without blocking")?;
    Ok(listener)
}

fn worker_options(state: &State, address: String) -> regrow_worker::Options {
    let config = &state.config;
    let own = &config.regrow;
    regrow_worker::Options {
        address,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: own.slots.or(config.agents.defaults.max_concurrent).unwrap_or(wiring::SLOTS),
        lease: Duration::from_secs(u64::from(own.lease_seconds)),
        drain: Duration::from_secs(u64::from(own.drain_seconds)),
        runs: own.roles.contains(&Role::Worker),
        prune_every: PRUNE_EVERY,
    }
}

/// Where peers reach this replica, which listens at `address`.
pub(super) fn advertised(state: &State, address: SocketAddr) -> String {
    // What cannot be read was refused with the configuration or the command line.
    let said = state.config.regrow.advertise.as_deref().and_then(|said| Advertised::parse(said).ok());
    let pod_ip = std::env::var(advertise::POD_IP).ok();
    advertise::address(said.as_ref(), address, pod_ip.as_deref(), advertise::outward)
}

fn gateway_options(
    listener: TcpListener,
    rules: Arc<Rules>,
    started: Instant,
) -> anyhow::Result<regrow_gateway::Options> {
    Ok(regrow_gateway::Options {
        listener: tokio::net::TcpListener::from_std(listener).context("cannot listen")?,
        rules,
        limits: Limits::default(),
        started,
        version: env!("CARGO_PKG_VERSION"),
    })
}
