//! What the front door is told by the program that opens it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Network, Rules};

/// How the front door is set up.
pub struct Options {
    /// Where clients connect.
    pub listener: TcpListener,
    /// What may change while the door is open.
    pub rules: Arc<Rules>,
    /// Bounds.
    pub limits: Limits,
    /// When the process started; probes tell the time since.
    pub started: Instant,
    /// The program's version; probes tell it to authenticated callers.
    pub version: &'static str,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.listener.local_addr().ok();
        f.debug_struct("Options").field("listener", &address).finish_non_exhaustive()
    }
}

/// What of the front door may change while it is open.
pub struct Settings {
    /// Who may use the API.
    pub auth: Auth,
    /// What happens to those who guess.
    pub rate_limit: AuthRateLimit,
    /// Proxies whose `X-Forwarded-For` is believed. Behind a proxy that is not listed, all clients share its address,
    /// and with it the lockout.
    pub trusted_proxies: Vec<Network>,
    /// The ids of the configured agents.
    pub agents: Vec<String>,
    /// The agent that answers when none is named; one of `agents`.
    pub default_agent: String,
    /// Whether a `provider/model` is configured; asked for `x-openclaw-model`.
    pub model_known: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Serve `/v1/chat/completions` and `/v1/models`.
    pub chat_completions: bool,
}

/// By hand, because what knows the models cannot be shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// Who may use the API.
#[derive(Debug)]
pub enum Auth {
    /// Everybody who can connect.
    None,
    /// Who sends one of these as a bearer token. Empty ones match nothing.
    Secrets(Vec<SecretString>),
}

/// What happens to those who guess secrets. It is counted for each client address, by each replica for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthRateLimit {
    /// Wrong secrets within the window that lock an address out.
    pub max_attempts: u32,
    /// The window.
    pub window: Duration,
    /// How long an address stays locked out.
    pub lockout: Duration,
    /// A right secret from the loopback is admitted even when wrong ones came from there.
    pub exempt_loopback: bool,
}

impl Default for AuthRateLimit {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            window: Duration::from_secs(60),
            lockout: Duration::from_secs(300),
            exempt_loopback: true,
        }
    }
}

/// Bounds of the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body. A larger one gets 413.
    pub body_bytes: usize,
    /// Bytes of all bodies that are being read or parsed; at least `body_bytes`. A request beyond gets 429.
    pub bodies_bytes: usize,
    /// From the first byte of a request (or from the connection, for its first one) to the end of its headers. A slower
    /// connection is closed.
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body. A slower request gets 408.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests. It should be longer than the load balancer's own
    /// idle time, or the balancer will send requests into connections that are just being closed.
    pub idle_timeout: Duration,
    /// How long an event stream may be silent; then a comment is sent, for the proxies between.
    pub keep_alive: Duration,
    /// Connections. One beyond gets 503 and is closed.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 20 << 20,
            bodies_bytes: 256 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            keep_alive: Duration::from_secs(10),
            connections: 10_000,
        }
    }
}

/// The stages of the end. Each token is cancelled by the caller.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Connections end: idle ones now, the others with their present reply, so that nobody sends another request to a
    /// replica that refuses it. New ones are taken, for probes and refusals, and get one reply each.
    pub release: CancellationToken,
    /// No new connections; idle ones are closed, the others after their present request.
    pub drain: CancellationToken,
    /// Replies that are still being waited for end: streams with an event from which they can be resumed on another
    /// replica, whole replies with 503. Their runs are not touched.
    pub cut: CancellationToken,
    /// How long after `cut` connections have to close; then they are dropped.
    pub grace: Duration,
}
