//! `agents`: the personas and what they have in common.
//!
//! Invariant: after a load there is at least one agent; without any configured, it is `main`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::model::ModelChoice;
use super::tools::ToolPolicy;

/// The agent that exists when none is configured.
const MAIN: &str = "main";

/// All agents.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentsConfig {
    /// What holds for each agent that does not say otherwise.
    pub defaults: AgentDefaults,
    /// The agents by id.
    pub entries: BTreeMap<AgentId, AgentEntry>,
}

impl AgentsConfig {
    /// Adds `main` if there is no agent.
    pub(super) fn ensure_one(&mut self) {
        if self.entries.is_empty() {
            self.entries.insert(AgentId(MAIN.to_owned()), AgentEntry::default());
        }
    }

    /// The agent that answers when a caller names none: the one marked as default, else `main`, else the first.
    pub fn default_agent(&self) -> &str {
        let marked = self.entries.iter().find(|(_, entry)| entry.default).map(|(id, _)| id.as_str());
        let named = marked.or_else(|| self.entries.contains_key(MAIN).then_some(MAIN));
        named.or_else(|| self.entries.keys().next().map(AgentId::as_str)).unwrap_or(MAIN)
    }

    /// The models of an agent: its own, else the common ones; nothing if neither is configured.
    pub fn model_of(&self, id: &str) -> Option<&ModelChoice> {
        self.entries.get(id).and_then(|entry| entry.model.as_ref()).or(self.defaults.model.as_ref())
    }

    /// The workspace of an agent: its own, else the common one, as it is written.
    pub fn workspace_of(&self, id: &str) -> Option<&str> {
        self.entries
            .get(id)
            .and_then(|entry| entry.workspace.as_deref())
            .or(self.defaults.workspace.as_deref())
    }
}

/// An agent's id: a-z, 0-9, `_` and `-`, at most 64 characters, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(String);

impl AgentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_valid(text: &str) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        text.len() <= 64
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b == b'_' || b == b'-')
    }
}

impl TryFrom<String> for AgentId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Self::is_valid(&text) {
            true => Ok(Self(text)),
            false => Err("an agent id has only a-z, 0-9, `_` and `-`"),
        }
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> Self {
        id.0
    }
}

impl std::borrow::Borrow<str> for AgentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for AgentId {
    fn schema_name() -> Cow<'static, str> {
        "AgentId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$" })
    }
}

/// What holds for each agent that does not say otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentDefaults {
    /// The models.
    pub model: Option<ModelChoice>,
    /// The working directory; `~` is not resolved yet.
    pub workspace: Option<String>,
    /// The workspace's instruction files stay out of the prompt, and none are created.
    pub skip_bootstrap: bool,
    /// The most characters of one instruction file in the prompt.
    pub bootstrap_max_chars: u32,
    /// The most characters of all instruction files together.
    pub bootstrap_total_max_chars: u32,
    /// The IANA time zone that agents tell the time in; UTC without it.
    pub user_timezone: Option<String>,
    /// How long a run may take, in seconds.
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
    /// How many runs are executed at once; `regrow.slots` goes first.
    #[schemars(range(min = 1))]
    pub max_concurrent: Option<u32>,
    /// When the older part of a session is summarised.
    pub compaction: CompactionConfig,
}

impl Default for AgentDefaults {
    fn default() -> Self {
        Self {
            model: None,
            workspace: None,
            skip_bootstrap: false,
            bootstrap_max_chars: 20_000,
            bootstrap_total_max_chars: 60_000,
            user_timezone: None,
            timeout_seconds: 172_800,
            max_concurrent: None,
            compaction: CompactionConfig::default(),
        }
    }
}

/// When the older part of a session is summarised.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CompactionConfig {
    /// Tokens kept free in the context window for the answer.
    #[serde(alias = "reserve")]
    pub reserve_tokens: u32,
    /// Tokens of recent messages that are never summarised.
    pub keep_recent_tokens: u32,
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self { reserve_tokens: 20_000, keep_recent_tokens: 20_000 }
    }
}

/// One agent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentEntry {
    /// Its display name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// It answers when a caller names no agent (older configurations say it here).
    pub default: bool,
    /// Its working directory; `~` is not resolved yet.
    pub workspace: Option<String>,
    /// Its models.
    pub model: Option<ModelChoice>,
    /// Which tools it may use, on top of the common policy.
    pub tools: ToolPolicy,
    /// How it presents itself.
    pub identity: Identity,
}

/// How an agent presents itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Identity {
    /// The name it goes by.
    pub name: Option<String>,
    /// An emoji for it.
    pub emoji: Option<String>,
    /// The tone it strikes.
    pub theme: Option<String>,
    /// A picture: a path or a URL.
    pub avatar: Option<String>,
}
