//! What a worker needs to know: how it works for as long as it lives, and what may change meanwhile.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regrow_agent::Limits;
use regrow_providers::Models;
use regrow_store::Retention;
use regrow_tools::Toolbox;

/// How a worker behaves for as long as it lives.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where peers reach this replica over HTTP; empty if nowhere.
    pub address: String,
    /// The program's release.
    pub version: String,
    /// Runs that this replica drives at once.
    pub slots: u32,
    /// How long this replica stays alive in the store without a heartbeat.
    pub lease: Duration,
    /// How long running work may take at a drain before it is handed over.
    pub drain: Duration,
    /// This replica drives runs itself; otherwise it only accepts and follows.
    pub runs: bool,
    /// The time between two rounds that delete what was kept long enough; the first comes soon after the start.
    pub prune_every: Duration,
}

/// What of a worker may change while it works. A run keeps the agent with which it began here; its next model call is
/// already made with the models of that moment, because keys that were exchanged are not good for long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Messages of one session that may wait or run; one more is refused.
    pub max_queued: u32,
    /// Sessions that may wait for a replica; while there are more, nothing is accepted.
    pub max_ready: u64,
    /// How long what is over is kept.
    pub retention: Retention,
    /// The agents by id.
    pub agents: HashMap<String, AgentProfile>,
    /// The models that there are.
    pub models: Arc<Models>,
}

/// A configured agent.
#[derive(Debug, Clone)]
pub struct AgentProfile {
    /// The name that it goes by.
    pub name: String,
    /// Where its files are.
    pub workspace: PathBuf,
    /// Where its tools keep private records.
    pub state_dir: PathBuf,
    /// Its models as `provider/model`: the first, then the fall-backs.
    pub models: Vec<String>,
    /// Its tools.
    pub tools: Toolbox,
    /// How far a run may go.
    pub limits: Limits,
    /// Tokens of the model's window that stay free for the answer.
    pub reserve_tokens: u32,
    /// Tokens of recent conversation that a compaction keeps.
    pub keep_recent_tokens: u32,
    /// The most characters of one workspace file in the prompt.
    pub file_chars: usize,
    /// The most characters of all workspace files in the prompt.
    pub total_chars: usize,
    /// The IANA time zone of its user; the machine's if unset.
    pub timezone: Option<String>,
}
