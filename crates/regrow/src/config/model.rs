//! `models`, and how an agent names the models it uses.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// The models that an agent uses, best first; each is `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenChoice")]
pub struct ModelChoice {
    /// The one that is asked first.
    pub primary: String,
    /// The ones that are asked in turn when it fails.
    pub fallbacks: Vec<String>,
}

/// The two ways in which a choice is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenChoice {
    One(String),
    Many {
        primary: String,
        #[serde(default)]
        fallbacks: Vec<String>,
    },
}

impl From<WrittenChoice> for ModelChoice {
    fn from(written: WrittenChoice) -> Self {
        match written {
            WrittenChoice::One(primary) => Self { primary, fallbacks: Vec::new() },
            WrittenChoice::Many { primary, fallbacks } => Self { primary, fallbacks },
        }
    }
}

impl JsonSchema for ModelChoice {
    fn schema_name() -> Cow<'static, str> {
        "ModelChoice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "primary": { "type": "string" },
                        "fallbacks": { "type": "array", "items": { "type": "string" } },
                    },
                    "required": ["primary"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// The model providers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// How the providers relate to built-in ones. Regrow has only the demonstration model built in, so both mean the
    /// same.
    pub mode: ModelsMode,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderConfig>,
}

/// How configured providers relate to built-in ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ModelsMode {
    /// They are added.
    #[default]
    Merge,
    /// They stand alone.
    Replace,
}

/// One model provider.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderConfig {
    /// The URL that the API's paths are appended to, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The API key; some local servers need none.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// How the key is presented.
    #[serde(default)]
    pub auth: ProviderAuth,
    /// The API's dialect.
    #[serde(default)]
    pub api: ModelApi,
    /// How long a call may take in all, in seconds; `timeouts.totalSeconds` goes first.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<u32>,
    /// Regrow's own time limits.
    #[serde(default)]
    pub timeouts: ProviderTimeouts,
    /// Headers sent with each call.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// The models; one that is not listed can be used too, with nothing known about it.
    #[serde(default)]
    pub models: Vec<ModelConfig>,
}

/// How a provider is told who calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderAuth {
    /// By its API key.
    #[default]
    ApiKey,
}

/// A model API's dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelApi {
    /// OpenAI's Chat Completions, which most servers speak.
    #[default]
    OpenaiCompletions,
    /// Anthropic's Messages.
    AnthropicMessages,
}

/// Time limits of calls to a provider, in seconds; what is unset takes the default of the provider's client.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderTimeouts {
    /// Until a connection stands.
    #[schemars(range(min = 1))]
    pub connect_seconds: Option<u32>,
    /// Until the first byte of the answer.
    #[schemars(range(min = 1))]
    pub first_byte_seconds: Option<u32>,
    /// Between two parts of the answer.
    #[schemars(range(min = 1))]
    pub idle_seconds: Option<u32>,
    /// For the whole call.
    #[schemars(range(min = 1))]
    pub total_seconds: Option<u32>,
}

/// What is known about one model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelConfig {
    /// Its id at the provider.
    pub id: String,
    /// Its display name.
    #[serde(default)]
    pub name: Option<String>,
    /// Tokens of its context window.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub context_window: Option<u32>,
    /// The most tokens of one answer.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// What it can be shown; text alone if empty.
    #[serde(default)]
    pub input: Vec<ModelInput>,
    /// It thinks before it answers.
    #[serde(default)]
    pub reasoning: bool,
    /// What it costs.
    #[serde(default)]
    pub cost: ModelCost,
}

/// What a model can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ModelInput {
    /// Text.
    Text,
    /// Images.
    Image,
}

/// Prices in US dollars per million tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModelCost {
    /// Of the prompt.
    #[schemars(range(min = 0))]
    pub input: f64,
    /// Of the answer.
    #[schemars(range(min = 0))]
    pub output: f64,
    /// Of prompt tokens read from the provider's cache.
    #[schemars(range(min = 0))]
    pub cache_read: f64,
    /// Of prompt tokens written to the provider's cache.
    #[schemars(range(min = 0))]
    pub cache_write: f64,
}
