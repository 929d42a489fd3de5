//! The configuration: `openclaw.json` in, typed values or all problems at once out.
//!
//! A load goes through stages, each in its own module: read and include files (`include`, `json5`), replace variables
//! (`substitute`), bring older spellings up to date (`normalise`), apply environment variables (`overrides`), compare
//! with the schema of the types (`check`), resolve references to secrets (`secret`), read the types, and check
//! combinations (`combinations`). No stage stops the ones after it, so one start shows everything that is wrong.
//! Nothing is written, and nothing outside of the files, the injected environment and files of secrets is read.

mod agents;
mod check;
mod combinations;
mod diagnostics;
mod document;
mod env_vars;
mod gateway;
mod include;
mod json5;
mod keys;
mod known;
mod logging;
mod model;
mod normalise;
mod overrides;
mod own;
mod problem;
mod restart;
mod secret;
mod secrets;
mod session;
mod snippet;
mod substitute;
mod suggest;
mod tools;
mod tree;
mod unsupported;
mod watched;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use agents::{AgentDefaults, AgentEntry, AgentId, AgentsConfig, CompactionConfig, Identity};
pub use diagnostics::{DiagnosticsConfig, LogsExporter, OtelConfig, OtelProtocol};
pub use document::{Config, schema};
pub use env_vars::{EnvConfig, InlineVariable};
pub use gateway::{
    Auth, AuthConfig, AuthMode, Bind, ChatCompletionsEndpoint, Endpoints, GatewayConfig, GatewayMode,
    HttpConfig, RateLimit,
};
pub use keys::{Keys, Secrets};
pub use logging::{ConsoleStyle, LogLevel, LoggingConfig};
pub use model::{
    ModelApi, ModelChoice, ModelConfig, ModelCost, ModelInput, ModelsConfig, ModelsMode, ProviderAuth,
    ProviderConfig, ProviderTimeouts,
};
pub use overrides::OVERRIDES;
pub use own::{RegrowConfig, RegrowTools, RetentionConfig, Role, RunLimits};
pub use problem::{Origin, Place, Problem, render};
pub use restart::{keep, needs_restart};
pub use secret::{REDACTED, Secret};
pub use secrets::{SecretDefaults, SecretSource, SecretStore, SecretsConfig, StoreFormat};
pub use session::{
    DmScope, MessagesConfig, QueueConfig, QueueDrop, QueueMode, ResetMode, ResetPolicy, SessionConfig,
    SessionScope,
};
pub use tools::{ToolPolicy, ToolProfile, ToolsConfig, WebFetchConfig, WebTools};
pub use watched::Watched;

use check::Check;
use known::Known;
use problem::Report;
use secret::Resolver;
use tree::{KeyPath, Node, Span, Value};

/// Looks up an environment variable by its name.
pub type Environment = dyn Fn(&str) -> Option<String>;

/// What a configuration is loaded from.
pub struct Source {
    /// The root file; without one, defaults and environment variables alone.
    pub path: Option<PathBuf>,
    /// The process environment, or a test's.
    pub env: Box<Environment>,
}

impl Source {
    /// This file and the environment of the process.
    pub fn from_process(path: Option<PathBuf>) -> Self {
        Self { path, env: Box::new(|name| std::env::var(name).ok()) }
    }
}

/// A configuration that can be run.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is doubtful, or has no effect.
    pub warnings: Vec<Problem>,
    /// The root file; nothing if there was none.
    pub path: Option<PathBuf>,
    /// The secrets in it by their keys.
    pub secrets: Secrets,
}

/// Loads a configuration. The error is every problem found, never only the first; it contains no secrets.
pub fn load(source: &Source) -> Result<Loaded, Vec<Problem>> {
    load_watched(source).0
}

/// Loads a configuration, and says which files were read or looked for.
pub fn load_watched(source: &Source) -> (Result<Loaded, Vec<Problem>>, Vec<Watched>) {
    let mut report = Report::default();
    let (config, secrets) = assemble(source, &mut report);
    let files = std::mem::take(&mut report.files);
    let path = source.path.clone();
    (report.finish().map(|warnings| Loaded { config, warnings, path, secrets }), files)
}

/// The configuration as far as it could be read; what is missing from it stands in the report.
fn assemble(source: &Source, report: &mut Report) -> (Config, Secrets) {
    let env = source.env.as_ref();
    let mut root = match &source.path {
        None => default_root(),
        Some(path) => match include::read(path, env("OPENCLAW_INCLUDE_ROOTS").as_deref(), report) {
            Some(root) => root,
            None => return Default::default(),
        },
    };
    substitute::substitute(&mut root, env, report);
    normalise::normalise(&mut root, report);
    overrides::apply(&mut root, env, report);
    let mut check = Check { report, secrets: Vec::new() };
    check.value(&mut root, &schema(), Some(Known::root()), &KeyPath::default());
    let secrets = check.secrets;
    let secrets = resolve_secrets(&mut root, &secrets, source, report);
    let mut config = typed(&root, report);
    config.agents.ensure_one();
    combinations::check(&config, &mut root, report);
    (config, secrets)
}

/// An empty document that was written nowhere.
fn default_root() -> Node {
    Node::new(Span { source: usize::MAX, offset: 0 }, Value::Map(Vec::new()))
}

/// Puts secrets in the place of their references; returns all secrets, those that are written as text too.
fn resolve_secrets(root: &mut Node, paths: &[KeyPath], source: &Source, report: &mut Report) -> Secrets {
    let secrets = root.get("secrets").map(Node::to_json).unwrap_or_default();
    let secrets = SecretsConfig::deserialize(secrets).unwrap_or_default();
    let base = secret::base_of(source.path.as_deref().map(Path::new));
    let resolver = Resolver { secrets: &secrets, base: &base, env: source.env.as_ref() };
    let mut found = Secrets::new();
    for path in paths {
        let Some(node) = root.at_mut(path) else { continue };
        resolver.resolve(node, path, report);
        found.extend(node.text().map(|text| (path.to_string(), Secret::from(text.to_owned()))));
    }
    found
}

/// Reads the types from the checked tree.
fn typed(root: &Node, report: &mut Report) -> Config {
    if root.is_invalid() {
        return Config::default();
    }
    Config::deserialize(root.to_json()).unwrap_or_else(|_| {
        // The error itself is not shown, because it may quote a value.
        if report.is_sound(&[]) {
            report.problem(
                Some(root.at),
                &KeyPath::default(),
                "this passed the check and still cannot be read; please report it",
            );
        }
        Config::default()
    })
}
