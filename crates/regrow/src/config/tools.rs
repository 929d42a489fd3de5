//! `tools`: which tools agents may use, and their limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tools of all agents.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ToolsConfig {
    /// The set that allowing and denying starts from.
    pub profile: Option<ToolProfile>,
    /// Only these tools and groups, if any are given.
    pub allow: Vec<String>,
    /// These tools and groups on top of the profile.
    pub also_allow: Vec<String>,
    /// Never these tools and groups; it wins over everything else.
    pub deny: Vec<String>,
    /// Tools that reach the web.
    pub web: WebTools,
}

/// Which tools one agent may use.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ToolPolicy {
    /// The set that allowing and denying starts from; the common one if unset.
    pub profile: Option<ToolProfile>,
    /// Only these tools and groups, if any are given.
    pub allow: Vec<String>,
    /// These tools and groups on top of the profile.
    pub also_allow: Vec<String>,
    /// Never these tools and groups; it wins over everything else.
    pub deny: Vec<String>,
}

/// A named set of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ToolProfile {
    /// The least.
    Minimal,
    /// For work on code.
    Coding,
    /// For talking to people.
    Messaging,
    /// Everything.
    Full,
}

/// Tools that reach the web.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebTools {
    /// `web_fetch`.
    pub fetch: WebFetchConfig,
}

/// `web_fetch`; what is unset takes the tool's default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebFetchConfig {
    /// Whether agents have it.
    pub enabled: bool,
    /// The most characters of a page that a model is shown.
    #[schemars(range(min = 1))]
    pub max_chars: Option<u32>,
    /// The most bytes of a page that are read.
    #[schemars(range(min = 1))]
    pub max_response_bytes: Option<u32>,
    /// The most redirects that are followed.
    pub max_redirects: Option<u8>,
    /// How long a fetch may take, in seconds.
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<u32>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
}

impl Default for WebFetchConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_chars: None,
            max_response_bytes: None,
            max_redirects: None,
            timeout_seconds: None,
            user_agent: None,
        }
    }
}
