//! `session` and `messages`: how conversations are told apart, and what waits while one is busy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How conversations are told apart.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SessionConfig {
    /// Whether senders have sessions of their own.
    #[schemars(extend("x-inert" = true))]
    pub scope: Option<SessionScope>,
    /// How direct messages map to sessions.
    #[schemars(extend("x-inert" = true))]
    pub dm_scope: Option<DmScope>,
    /// When a session starts afresh.
    #[schemars(extend("x-inert" = true))]
    pub reset: Option<ResetPolicy>,
}

/// Whether senders have sessions of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionScope {
    /// Each sender has one.
    PerSender,
    /// All share one.
    Global,
}

/// How direct messages map to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DmScope {
    /// All go to the agent's main session.
    Main,
    /// One session per person.
    PerPeer,
    /// One session per person and channel.
    PerChannelPeer,
    /// One session per person, channel and account.
    PerAccountChannelPeer,
}

/// When a session starts afresh.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResetPolicy {
    /// What triggers it.
    pub mode: ResetMode,
    /// For `daily`: the hour of the day.
    #[schemars(range(max = 23))]
    pub at_hour: Option<u8>,
    /// For `idle`: after how many minutes without a message.
    #[schemars(range(min = 1))]
    pub idle_minutes: Option<u32>,
}

/// What makes a session start afresh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ResetMode {
    /// Nothing.
    #[default]
    None,
    /// An hour of the day.
    Daily,
    /// A time without messages.
    Idle,
}

/// Incoming messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MessagesConfig {
    /// What waits while a session is busy.
    pub queue: QueueConfig,
}

/// What waits while a session is busy.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueConfig {
    /// What a message does that arrives during a run.
    pub mode: Option<QueueMode>,
    /// The most messages that wait in one session; unset means `regrow.maxQueued`.
    #[schemars(range(min = 1))]
    pub cap: Option<u32>,
    /// Which message goes when the queue is full. Regrow refuses new ones and drops none that it accepted.
    #[schemars(extend("x-inert" = true))]
    pub drop: Option<QueueDrop>,
}

/// What a message does that arrives during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum QueueMode {
    /// It joins the run at the next step.
    Steer,
    /// It waits for a run of its own.
    Followup,
    /// It waits, and all that wait are answered together.
    Collect,
    /// It stops the run and starts the next one.
    Interrupt,
}

/// Which message goes when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum QueueDrop {
    /// The oldest.
    Old,
    /// The one that arrives.
    New,
    /// The oldest, with a summary in its place.
    Summarize,
}
