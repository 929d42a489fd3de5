//! One schedule, as it is persisted and shown: OpenClaw's JSON of a job, with the policy for missed ticks.

use serde::{Deserialize, Serialize};

use super::Timing;

/// A schedule. Its id, its session and what became of it are the store's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// What people call it.
    pub name: String,
    /// The agent that is spoken to.
    pub agent_id: String,
    /// Whether it is planned at all.
    pub enabled: bool,
    /// It is removed once its message is accepted; for schedules that come once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete_after_run: bool,
    /// When it was made.
    pub created_at_ms: i64,
    /// When somebody changed it last.
    pub updated_at_ms: i64,
    /// Its times.
    pub schedule: Timing,
    /// `main`, `isolated` or `session:<key>`.
    pub session_target: String,
    /// What is said.
    pub payload: Payload,
    /// What becomes of ticks that were missed.
    #[serde(default)]
    pub missed: Missed,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Payload {
    /// A message that the agent answers.
    AgentTurn {
        /// Its text.
        message: String,
    },
}

/// What becomes of ticks that nobody could fire in time: all replicas were down, or the session was full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are made up for by one firing, however many they were.
    #[default]
    Once,
    /// They are left out.
    Skip,
}
