//! `regrow external-metrics`: the load of all replicas for Kubernetes' autoscalers, from a process that is no replica.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use regrow_external_metrics::{Api, Authority, Cluster, Ending, Figures, Identity, Options, Trust, serve};
use regrow_store::Store;
use tokio::net::TcpListener;

use crate::cli::{Common, ExternalMetrics};
use crate::client::local;
use crate::outcome::Unusable;
use crate::state::State;
use crate::stop::Stop;
use crate::wiring::Present;
use crate::{logging, version, wiring};

/// Where Kubernetes puts what belongs to a pod's service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How often certificates and authorities are looked at again; a mounted Secret takes about a minute to change anyway.
const LOOK_EVERY: Duration = Duration::from_secs(30);

pub(super) async fn run(common: &Common, options: ExternalMetrics) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    logging::init(&state.config.logging, None);
    state.store()?;
    let notice = options.notice_seconds.unwrap_or(state.config.regrow.notice_seconds);
    let namespace = namespace(options.namespace.as_deref())?;
    let identity = Identity::read(options.tls_cert, options.tls_key)
        .map_err(|why| Unusable(format!("--tls-cert, --tls-key: {why}")))?;
    let authority = authority(options.requestheader_client_ca, options.requestheader_allowed_name)?;
    let listener = listen(&options.bind, options.port).await?;
    let address = local(listener.local_addr().context("the listener has no address")?);
    let figures = Arc::new(Figures::default());
    let api = Api {
        namespace: namespace.clone(),
        labels: options.label.into_iter().collect(),
        figures: Arc::clone(&figures),
    };
    let door = Options {
        listener,
        identity: Arc::new(identity),
        trust: Arc::new(Trust::new(authority)),
        api,
        look_every: LOOK_EVERY,
    };
    let stop = Stop::listen()?;
    println!(
        "Regrow {} serves external metrics of namespace {namespace} at https://{address}",
        version::VERSION
    );
    let opening = async {
        figures.open(async || open(&state).await).await;
        std::future::pending().await
    };
    let ending = Ending::default();
    tokio::select! {
        ended = serve(door, ending.clone()) => ended.context("cannot serve by TLS")?,
        () = end(stop, &ending, Duration::from_secs(u64::from(notice))) => {}
        () = opening => {}
        () = follow_password(&state, common) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the store's password again and again, as it may change with its Secret.
async fn follow_password(state: &State, common: &Common) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let common = common.clone();
        match tokio::task::spawn_blocking(move || State::open(&common)).await {
            Ok(Ok(read)) => state.follow_password(&read),
            Ok(Err(error)) => {
                tracing::debug!(error = format!("{error:#}"), "the store's password stays as it was")
            }
            Err(_) => {}
        }
    }
}

/// Ends the serving when that is asked for; a second time ends the notice.
async fn end(mut stop: Stop, ending: &Ending, notice: Duration) {
    stop.next().await;
    tracing::info!("stopping; a second signal stops at once");
    ending.notice.cancel();
    // Out of time or out of patience.
    let _ = tokio::time::timeout(notice, stop.next()).await;
    ending.close.cancel();
    std::future::pending().await
}

/// Opens a store that is there and up to date; to make or to change one is the replicas' work.
async fn open(state: &State) -> anyhow::Result<Arc<dyn Store>> {
    match wiring::present(state).await? {
        Present::Store => wiring::store(state, Duration::ZERO).await,
        Present::Nothing => {
            bail!("there is no store yet; a replica that starts makes it, as does regrow migrate")
        }
        Present::Older { has, needs } => {
            bail!(
                "the store has schema version {has}, this program needs {needs}; regrow migrate brings it up to date"
            )
        }
    }
}

async fn listen(bind: &str, port: u16) -> anyhow::Result<TcpListener> {
    let host = match bind {
        "loopback" => Ipv4Addr::LOCALHOST.into(),
        "lan" => Ipv4Addr::UNSPECIFIED.into(),
        address => address.parse::<IpAddr>().map_err(|_| {
            Unusable(format!("--bind {address}: say loopback, lan or an IP address of this machine"))
        })?,
    };
    let address = SocketAddr::new(host, port);
    let listener = TcpListener::bind(address).await;
    Ok(listener.map_err(|error| {
        Unusable(format!("cannot listen on {address}: {error}; choose another one with --port and --bind"))
    })?)
}

/// The namespace that was named, or that of the pod.
fn namespace(named: Option<&str>) -> anyhow::Result<String> {
    let read = || std::fs::read_to_string(Path::new(ACCOUNT).join("namespace")).ok();
    let namespace = named.map(str::to_owned).or_else(read).unwrap_or_default().trim().to_owned();
    if namespace.is_empty() {
        return Err(Unusable("this is no pod with a service account; say --namespace NAME".to_owned()).into());
    }
    Ok(namespace)
}

fn authority(file: Option<PathBuf>, names: Vec<String>) -> anyhow::Result<Authority> {
    if let Some(path) = file {
        return Ok(Authority::File { path, names });
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = variable("KUBERNETES_SERVICE_HOST").ok_or_else(|| {
        let why = "this is no pod of a cluster; name the front proxy's authority with --requestheader-client-ca FILE";
        Unusable(why.to_owned())
    })?;
    let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let cluster = Cluster { url: format!("https://{host}:{port}"), account: ACCOUNT.into() };
    Ok(Authority::Cluster { cluster, names })
}
