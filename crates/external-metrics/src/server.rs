//! The door: HTTPS on one port, for the API server and for the kubelet's probes.
//!
//! `/healthz` and `/readyz` need no certificate of the client, everything else does; so TLS asks for one, takes any, and
//! each request is judged by it. Readiness does not depend on the store: an API that is registered and not ready disturbs
//! the discovery of the whole cluster, and a refused value does not.

mod identity;
mod tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::identity::Identity;
use crate::{Api, Trust};

/// Connections at once; further ones wait. The API server keeps few, but whoever reaches the port may open some.
const CONNECTIONS: usize = 512;

/// How long a handshake, or the head of a request, may take.
const WITHIN: Duration = Duration::from_secs(10);

/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// How long connections have to close at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What is served, and where.
#[derive(Debug)]
pub struct Options {
    /// Where connections come in.
    pub listener: TcpListener,
    /// Who this side is.
    pub identity: Arc<Identity>,
    /// Who the other side must be.
    pub trust: Arc<Trust>,
    /// What is answered.
    pub api: Api,
    /// How often certificates are looked at again.
    pub look_every: Duration,
}

/// The stages of the end.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// From now on it is not ready, and goes on as before.
    pub notice: CancellationToken,
    /// From now on nothing is accepted, and what is open is closed.
    pub close: CancellationToken,
}

struct Door {
    trust: Arc<Trust>,
    api: Api,
    ending: Ending,
}

/// Serves until the end.
///
/// # Errors
/// If TLS cannot be used.
pub async fn serve(options: Options, ending: Ending) -> Result<(), rustls::Error> {
    let Options { listener, identity, trust, api, look_every } = options;
    let close = ending.close.clone();
    let acceptor = TlsAcceptor::from(tls::config(Arc::clone(&identity))?);
    let door = Arc::new(Door { trust: Arc::clone(&trust), api, ending });
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = close.cancelled() => {}
        () = accept(listener, acceptor, &door, &graceful) => {}
        () = identity.watch(look_every) => {}
        () = trust.watch(look_every) => {}
    }
    if tokio::time::timeout(CLOSE_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections did not close in time");
    }
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, door: &Arc<Door>, graceful: &GracefulShutdown) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection =
                    connection(stream, acceptor.clone(), Arc::clone(door), graceful.watcher(), place);
                tokio::spawn(connection);
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, to its end. Whoever hangs up, or speaks no TLS, has what it wanted.
async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    door: Arc<Door>,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
) {
    let stream = match tokio::time::timeout(WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake failed"),
        Err(_) => return tracing::debug!("a handshake took too long"),
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let chain: Arc<[CertificateDer<'static>]> = certificates.unwrap_or_default().into();
    let service = service_fn(|request| {
        let (door, chain) = (Arc::clone(&door), Arc::clone(&chain));
        async move { Ok::<_, Infallible>(door.answer(&request, &chain).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(WITHIN);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(WITHIN).keep_alive_timeout(WITHIN);
    let served = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection broke");
    }
}

impl Door {
    async fn answer(
        &self,
        request: &Request<Incoming>,
        chain: &[CertificateDer<'_>],
    ) -> Response<Full<Bytes>> {
        let answer = self.find(request, chain).await;
        match *request.method() {
            // Over HTTP/2 nothing else takes the body away.
            Method::HEAD => answer.map(|_| Full::default()),
            _ => answer,
        }
    }

    async fn find(&self, request: &Request<Incoming>, chain: &[CertificateDer<'_>]) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/healthz" | "/livez" => say(StatusCode::OK, "ok\n"),
            "/readyz" if self.ending.notice.is_cancelled() => {
                say(StatusCode::SERVICE_UNAVAILABLE, "this process is about to end\n")
            }
            "/readyz" if !self.trust.is_known() => {
                say(StatusCode::SERVICE_UNAVAILABLE, "the API server's front proxy is not known\n")
            }
            "/readyz" => say(StatusCode::OK, "ok\n"),
            _ => match self.trust.admit(chain) {
                Ok(()) => self.api.answer(request).await,
                Err(refusal) => {
                    tracing::debug!(?refusal, "a caller was refused");
                    refusal.into_response()
                }
            },
        }
    }
}

fn say(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
