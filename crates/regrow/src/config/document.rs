//! The whole configuration as one type, and its JSON Schema.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::agents::AgentsConfig;
use super::diagnostics::DiagnosticsConfig;
use super::env_vars::EnvConfig;
use super::gateway::GatewayConfig;
use super::logging::LoggingConfig;
use super::model::ModelsConfig;
use super::own::RegrowConfig;
use super::secrets::SecretsConfig;
use super::session::{MessagesConfig, SessionConfig};
use super::tools::ToolsConfig;

/// The configuration of a replica, with every default filled in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Where editors find the schema.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// Inline variables.
    pub env: EnvConfig,
    /// Where secret references lead.
    pub secrets: SecretsConfig,
    /// Where the doors are and who may come in.
    pub gateway: GatewayConfig,
    /// The personas.
    pub agents: AgentsConfig,
    /// The model providers.
    pub models: ModelsConfig,
    /// How conversations are told apart.
    pub session: SessionConfig,
    /// What waits while a session is busy.
    pub messages: MessagesConfig,
    /// Which tools agents may use.
    pub tools: ToolsConfig,
    /// What the program says about itself.
    pub logging: LoggingConfig,
    /// What it tells to systems beside it.
    pub diagnostics: DiagnosticsConfig,
    /// What OpenClaw does not have.
    pub regrow: RegrowConfig,
}

impl Config {
    /// The configuration for people and tools to read: every secret is `__OPENCLAW_REDACTED__`, unset keys are left
    /// out.
    pub fn to_redacted_json(&self) -> Json {
        // Serialising these types cannot fail: all map keys are strings.
        without_nulls(serde_json::to_value(self).unwrap_or_default())
    }
}

fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(map) => map
            .into_iter()
            .filter(|(_, json)| !json.is_null())
            .map(|(key, json)| (key, without_nulls(json)))
            .collect(),
        other => other,
    }
}

/// The JSON Schema (draft 2020-12) of the configuration, in one piece without references.
pub fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}
