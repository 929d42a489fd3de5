//! A scripted model server: it answers OpenAI's and Anthropic's streaming APIs on the loopback interface, decides
//! everything from directives in the last user message (see `directive`), and records every call.
//!
//! It is deterministic: the same request, asked for the same time, has the same answer. When the [`Server`] is
//! dropped, its connections are closed at once, as when a provider's machine dies.

mod anthropic;
mod asked;
mod directive;
mod frames;
mod ledger;
mod openai;
mod pace;
mod routes;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use ledger::Ledger;
pub use ledger::{Call, Effect, State, digest};

/// A running model server; it stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts on a free port.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_on(0).await
    }

    /// Starts on `port` of the loopback interface.
    pub async fn start_on(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let ledger = Ledger::new();
        let accepting = tokio::spawn(accept(listener, routes::router(Arc::clone(&ledger))));
        Ok(Self { address, ledger, accepting })
    }

    /// The base URL for OpenAI clients, such as `http://127.0.0.1:4321/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The time since the start, which the calls' times count from.
    pub fn elapsed(&self) -> Duration {
        self.ledger.elapsed()
    }

    /// What tools told that they did, in order.
    pub fn effects(&self) -> Vec<Effect> {
        self.ledger.effects()
    }

    /// All calls since the start or the last reset, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.ledger.calls()
    }

    /// When a call arrived.
    pub fn arrival(&self, call: &Call) -> Instant {
        self.ledger.start() + Duration::from_micros(call.at_us)
    }

    /// How many calls had this id in their last user message.
    pub fn count(&self, id: &str) -> u32 {
        self.ledger.count(id)
    }

    /// Waits until some call for `id` has streamed `tokens` tokens; 0 waits for its arrival. It waits for as long as
    /// it takes: the caller sets the time-out.
    pub async fn wait_for(&self, id: &str, tokens: usize) {
        self.ledger.wait_for(id, tokens).await;
    }

    /// Waits until `done` holds for the list of calls; it is asked after every change.
    pub async fn wait_until(&self, done: impl FnMut(&[Call]) -> bool) {
        self.ledger.wait_until_calls(done).await;
    }

    /// Forgets all calls and counts.
    pub fn reset(&self) {
        self.ledger.reset();
    }

    /// Serves until the process ends.
    pub async fn run(mut self) -> anyhow::Result<()> {
        Ok((&mut self.accepting).await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections for ever. They live in its set, so that aborting this task closes them all.
async fn accept(listener: TcpListener, router: axum::Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, router.clone())); }
                // Out of file descriptors: closing connections is what helps, so wait for one.
                Err(_) => { connections.join_next().await; }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, router: axum::Router) {
    // Small frames must not wait for acknowledgements; where this fails, they are merely slower.
    stream.set_nodelay(true).ok();
    let service = TowerToHyperService::new(router);
    // An error here is a client that left or a scripted cut: both stand in the ledger.
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}
