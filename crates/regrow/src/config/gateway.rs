//! `gateway`: where the doors are and who may come in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// The gateway's doors.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// The TCP port; 0 takes a free one.
    pub port: u16,
    /// Regrow is always the gateway itself.
    pub mode: GatewayMode,
    /// Which interfaces are listened on.
    pub bind: Bind,
    /// The address for `bind: "custom"`.
    pub custom_bind_host: Option<IpAddr>,
    /// Who may come in.
    pub auth: AuthConfig,
    /// Proxies and balancers whose `X-Forwarded-For` is believed, by address or network (`10.0.0.0/8`). Without it, all who
    /// come through one balancer count as one caller, and one who guesses tokens locks all of them out.
    pub trusted_proxies: Vec<String>,
    /// The HTTP interfaces.
    pub http: HttpConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            port: 18789,
            mode: GatewayMode::default(),
            bind: Bind::default(),
            custom_bind_host: None,
            auth: AuthConfig::default(),
            trusted_proxies: Vec::new(),
            http: HttpConfig::default(),
        }
    }
}

impl GatewayConfig {
    /// The address to listen on.
    pub fn listen_address(&self) -> SocketAddr {
        let host = match self.bind {
            Bind::Loopback | Bind::Auto => Ipv4Addr::LOCALHOST.into(),
            Bind::Lan => Ipv4Addr::UNSPECIFIED.into(),
            Bind::Custom => self.custom_bind_host.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        };
        SocketAddr::new(host, self.port)
    }
}

/// What the process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GatewayMode {
    /// A gateway of its own.
    #[default]
    Local,
}

/// Which interfaces are listened on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Bind {
    /// The loopback interface; whether this is a container is never guessed.
    Auto,
    /// The loopback interface.
    #[default]
    Loopback,
    /// All interfaces.
    Lan,
    /// The address in `customBindHost`.
    Custom,
}

/// Who may come in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthConfig {
    /// What is asked of a caller; without it, what is configured: the token or the password, else nothing.
    pub mode: Option<AuthMode>,
    /// The shared token.
    pub token: Option<Secret>,
    /// The shared password.
    pub password: Option<Secret>,
    /// How many wrong guesses are allowed.
    pub rate_limit: RateLimit,
}

impl AuthConfig {
    /// What is asked of a caller.
    pub fn effective(&self) -> Auth<'_> {
        match (self.mode, &self.token, &self.password) {
            (Some(AuthMode::Token) | None, Some(token), _) => Auth::Token(token),
            (Some(AuthMode::Password) | None, _, Some(password)) => Auth::Password(password),
            _ => Auth::None,
        }
    }
}

/// What is asked of a caller.
#[derive(Debug, Clone, Copy)]
pub enum Auth<'a> {
    /// Nothing, by `mode: "none"` or because nothing is configured.
    None,
    /// This token.
    Token(&'a Secret),
    /// This password.
    Password(&'a Secret),
}

/// How callers prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// They do not; only for loopback.
    None,
    /// By the shared token.
    Token,
    /// By the shared password.
    Password,
}

/// How many wrong guesses are allowed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimit {
    /// Wrong guesses within the window before an address is locked out.
    #[schemars(range(min = 1))]
    pub max_attempts: u32,
    /// The window in milliseconds.
    #[schemars(range(min = 1))]
    pub window_ms: u64,
    /// How long an address stays locked out, in milliseconds.
    #[schemars(range(min = 1))]
    pub lockout_ms: u64,
    /// Loopback addresses are never locked out.
    pub exempt_loopback: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { max_attempts: 10, window_ms: 60_000, lockout_ms: 300_000, exempt_loopback: true }
    }
}

/// The HTTP interfaces.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Each interface.
    pub endpoints: Endpoints,
}

/// The HTTP interfaces that can be switched.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Endpoints {
    /// `/v1/chat/completions`.
    pub chat_completions: ChatCompletionsEndpoint,
}

/// `/v1/chat/completions`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChatCompletionsEndpoint {
    /// Whether it answers. On in Regrow, where OpenClaw has it off.
    pub enabled: bool,
}

impl Default for ChatCompletionsEndpoint {
    fn default() -> Self {
        Self { enabled: true }
    }
}
