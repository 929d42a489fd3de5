//! `env`: variables that are written into the file, for `${VAR}` in its strings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::secret::REDACTED;

/// Inline variables. The process environment goes first, and these never get into it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvConfig {
    /// The variables by name.
    pub vars: BTreeMap<String, InlineVariable>,
}

/// The value of an inline variable, treated as a secret because most are.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct InlineVariable(
    #[expect(dead_code, reason = "substitution reads the tree; the type is for the check")] String,
);

impl fmt::Debug for InlineVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for InlineVariable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl JsonSchema for InlineVariable {
    fn schema_name() -> Cow<'static, str> {
        "InlineVariable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}
