//! Secrets of the configuration: the type that does not print itself, and how references become values.
//!
//! Invariant: the text of a secret leaves this type only through `expose`; `Debug` and serialisation show a
//! placeholder. A reference that cannot be resolved is a problem at its place, never an empty secret.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::problem::Report;
use super::secrets::{SecretsConfig, StoreFormat};
use super::tree::{KeyPath, Node, Span, Value};

/// What is printed instead of a secret (OpenClaw's placeholder).
pub const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// The most bytes of a file that holds secrets.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A secret: written as a string, or as a reference to an environment variable or a file.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(SecretString);

impl Secret {
    /// The secret's text, for the one who sends or compares it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The secret in the type that other crates take.
    pub fn to_secret_string(&self) -> SecretString {
        self.0.clone()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret as a string, or a reference to an environment variable or a file",
            "x-secret": true,
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "source": { "type": "string", "enum": ["env", "file"] },
                        "provider": { "type": "string" },
                        "id": { "type": "string" },
                    },
                    "required": ["source", "id"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// What references are resolved with.
pub(super) struct Resolver<'a> {
    pub(super) secrets: &'a SecretsConfig,
    /// Relative paths start here.
    pub(super) base: &'a Path,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// For whom a file is read, and who is told of it.
struct Reading<'a> {
    at: Span,
    path: &'a KeyPath,
    report: &'a mut Report,
}

impl Resolver<'_> {
    /// Puts the secret in the place of its reference; a secret that is already text stays.
    pub(super) fn resolve(&self, node: &mut Node, path: &KeyPath, report: &mut Report) {
        let part = |key| node.get(key).and_then(Node::text);
        let (Some(source), Some(id)) = (part("source"), part("id")) else { return };
        let found = match source {
            "env" => self.variable(id),
            _ => self.file(part("provider"), id, &mut Reading { at: node.at, path, report }),
        };
        node.value = match found {
            Ok(text) => Value::Text(text),
            Err(message) => {
                report.problem(Some(node.at), path, message);
                Value::Invalid
            }
        };
    }

    fn variable(&self, id: &str) -> Result<String, String> {
        let shaped = id.starts_with(|c: char| c.is_ascii_uppercase())
            && id.len() <= 128
            && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !shaped {
            return Err("`id` must name an environment variable: A-Z, 0-9 and `_`, a letter first".to_owned());
        }
        match (self.env)(id) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(format!("the environment variable {id} is not set; set it or change the reference")),
        }
    }

    fn file(&self, provider: Option<&str>, id: &str, reading: &mut Reading<'_>) -> Result<String, String> {
        let Some(name) = provider.or(self.secrets.defaults.file.as_deref()) else {
            return self.read(id, reading);
        };
        let Some(store) = self.secrets.providers.get(name) else {
            return Err(format!("`secrets.providers` has no `{}`; add it or correct the name", clip(name)));
        };
        let Some(path) = &store.path else {
            return Err(format!("the secret provider `{}` is not a file with a `path`", clip(name)));
        };
        let text = self.read(path, reading)?;
        match store.mode {
            StoreFormat::SingleValue if id == "value" => Ok(text),
            StoreFormat::SingleValue => {
                Err(format!("the secret provider `{}` holds one value; its `id` is `value`", clip(name)))
            }
            StoreFormat::Json => pointed_at(&text, id),
        }
    }

    /// The text of a file without its trailing newline.
    fn read(&self, path: &str, reading: &mut Reading<'_>) -> Result<String, String> {
        let path = self.base.join(path);
        reading.report.watch(&path);
        let shown = path.display();
        let metadata = std::fs::metadata(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        if !metadata.is_file() {
            return Err(format!("{shown} is not a regular file"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(format!("{shown} has more than {MAX_FILE_BYTES} bytes"));
        }
        if is_world_readable(&metadata) {
            let warning = format!("{shown} can be read by every user of this machine; `chmod o-r` it");
            reading.report.warn(Some(reading.at), reading.path, warning);
        }
        let text = read_bounded(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match text.is_empty() {
            true => Err(format!("{shown} is empty")),
            false => Ok(text.to_owned()),
        }
    }
}

/// Reads no more than was allowed, also from a file that grows meanwhile.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn pointed_at(text: &str, pointer: &str) -> Result<String, String> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "the secret provider's file is not JSON".to_owned())?;
    match json.pointer(pointer).filter(|_| !pointer.is_empty()) {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err("`id` points at something that is not a non-empty string".to_owned()),
        None => {
            Err("`id` points at nothing; it is a JSON pointer such as `/providers/openai/key`".to_owned())
        }
    }
}

fn clip(name: &str) -> String {
    super::tree::shown(name)
}

#[cfg(unix)]
fn is_world_readable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_world_readable(_: &std::fs::Metadata) -> bool {
    false
}

/// The directory that relative paths of a configuration start from.
pub(super) fn base_of(path: Option<&Path>) -> PathBuf {
    match path.and_then(Path::parent) {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
