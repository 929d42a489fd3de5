//! `regrow`: the keys that OpenClaw does not have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// What is particular to a cluster of expendable replicas.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegrowConfig {
    /// The store that all replicas share: `sqlite:PATH` or `postgres://user@host:5432/database`. Unset means a file in the
    /// state directory.
    pub store: Option<String>,
    /// The password of the store's user; it comes before one in the URL.
    pub store_password: Option<Secret>,
    /// The most connections of this replica to PostgreSQL for its work; four more show that it lives. Unset means 12.
    #[schemars(range(min = 4, max = 1000))]
    pub store_connections: Option<u32>,
    /// Where other replicas reach this one: `HOST` or `HOST:PORT`. Unset means the address that it listens at, or that of
    /// the interface on the way out if it listens at all of them.
    pub advertise: Option<String>,
    /// The port for those who watch: `/metrics` and `/internal/autoscale`, without authentication, on the same address as
    /// the gateway. Unset means none.
    pub metrics_port: Option<u16>,
    /// What this replica does.
    pub roles: Vec<Role>,
    /// How many runs this replica executes at once; unset means a number that fits the machine.
    #[schemars(range(min = 1))]
    pub slots: Option<u32>,
    /// The most messages that wait in one session; more are refused with 429.
    #[schemars(range(min = 1))]
    pub max_queued: u32,
    /// The most sessions of the cluster that wait for a replica; more are refused with 429.
    #[schemars(range(min = 1))]
    pub max_ready: u32,
    /// After how many seconds without a sign of life a replica's sessions go to others.
    #[schemars(range(min = 1, max = 3600))]
    pub lease_seconds: u32,
    /// How long a replica that stops waits for its runs, in seconds, before it hands them over.
    pub drain_seconds: u32,
    /// How long a replica that stops goes on as before while it says that it is not ready, in seconds: longer than it takes
    /// load balancers to notice.
    pub notice_seconds: u32,
    /// Limits of a run.
    pub run: RunLimits,
    /// How long what is over is kept.
    pub retention: RetentionConfig,
    /// Tools.
    pub tools: RegrowTools,
    /// Milliseconds between two words of the demonstration model; unset means its default.
    pub demo_pace_ms: Option<u32>,
}

impl Default for RegrowConfig {
    fn default() -> Self {
        Self {
            store: None,
            store_password: None,
            store_connections: None,
            advertise: None,
            metrics_port: None,
            roles: vec![Role::Gateway, Role::Worker],
            slots: None,
            max_queued: 128,
            max_ready: 20_000,
            lease_seconds: 5,
            drain_seconds: 30,
            notice_seconds: 0,
            run: RunLimits::default(),
            retention: RetentionConfig::default(),
            tools: RegrowTools::default(),
            demo_pace_ms: None,
        }
    }
}

/// What a replica does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It answers at the doors.
    Gateway,
    /// It claims sessions and executes runs.
    Worker,
}

/// Limits of a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RunLimits {
    /// The most model calls.
    #[schemars(range(min = 1))]
    pub max_steps: u32,
    /// The most tokens of all model calls together.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { max_steps: 50, max_tokens: None }
    }
}

/// How long what is over is kept, in days. What is still to be done is kept until it is done.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// How long an idempotency key is remembered and a reply can be asked for again, after the reply.
    #[schemars(range(min = 1))]
    pub keys_days: u32,
    /// How long a conversation is kept that nothing happens to, but not shorter than `keysDays`; for ever if unset.
    #[schemars(range(min = 1))]
    pub sessions_days: Option<u32>,
    /// How long the part of a conversation is kept that a summary stands for or that was reset, but not shorter than
    /// `keysDays`; for ever if unset.
    #[schemars(range(min = 1))]
    pub history_days: Option<u32>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { keys_days: 30, sessions_days: None, history_days: None }
    }
}

/// Regrow's own settings of tools.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegrowTools {
    /// `web_fetch` may reach private, loopback and link-local addresses.
    pub web_fetch_allow_private: bool,
}
