//! `secrets`: where secret references lead.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Named places that hold secrets.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// The places by name.
    pub providers: BTreeMap<String, SecretStore>,
    /// Which place a reference means that names none.
    pub defaults: SecretDefaults,
}

/// The place of references without `provider`, by source.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretDefaults {
    /// For `source: "env"`; there is only one environment, so the name decides nothing.
    pub env: Option<String>,
    /// For `source: "file"`; without it, `id` is a path.
    pub file: Option<String>,
}

/// A place that holds secrets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretStore {
    /// What kind of place.
    pub source: SecretSource,
    /// The file; relative paths start at the configuration's directory.
    #[serde(default)]
    pub path: Option<String>,
    /// How the file is read.
    #[serde(default)]
    pub mode: StoreFormat,
}

/// A kind of place that holds secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// The process environment.
    Env,
    /// A file.
    File,
}

/// How a file holds secrets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StoreFormat {
    /// A JSON document; `id` is a JSON pointer into it.
    #[default]
    Json,
    /// The whole file is one secret; `id` is `value`.
    SingleValue,
}
