//! From the configuration to the parts of a replica.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use regrow_agent::Limits;
use regrow_gateway::{Auth, AuthRateLimit, Network};
use regrow_providers::{Api, ModelOptions, Models, Options as ProviderSet, ProviderOptions, Timeouts};
use regrow_store::postgres::{self, PostgresStore};
use regrow_store::sqlite::{self, SqliteStore};
use regrow_store::{Retention, Store};
use regrow_tools::{Policy, Profile, Tool, Toolbox, WebOptions};
use regrow_worker::AgentProfile;
use secrecy::SecretString;

use crate::config::{self, ModelApi, ModelInput, ProviderConfig, ToolProfile};
use crate::outcome;
use crate::state::{State, create_private};
use crate::store_url::StoreUrl;
use crate::workspace;

/// Claims of a run without progress before it is given up.
const ATTEMPTS: u32 = 3;

/// The provider of the model that answers when none is configured.
pub(crate) const DEMO_PROVIDER: &str = "demo";

/// The model that answers when no provider is configured.
const DEMO: &str = "demo/demo";

/// Runs that a replica drives at once, unless something else is said. They mostly wait for models, so this bounds
/// memory rather than processors.
pub(crate) const SLOTS: u32 = 4_096;

/// Opens the store. A server that cannot be reached yet is waited for as long as `patience`.
pub(crate) async fn store(state: &State, patience: Duration) -> anyhow::Result<Arc<dyn Store>> {
    let opened: Result<Arc<dyn Store>, _> = match state.store()? {
        StoreUrl::Sqlite(path) => SqliteStore::open(&sqlite::Options::new(path)).map(|s| Arc::new(s) as _),
        StoreUrl::Postgres(mut options) => {
            options.start_patience = patience;
            PostgresStore::open(&options).await.map(|s| Arc::new(s) as _)
        }
    };
    opened.map_err(outcome::of_store)
}

/// Messages of one session that may wait or run.
pub(crate) fn max_queued(config: &config::Config) -> u32 {
    config.messages.queue.cap.unwrap_or(config.regrow.max_queued)
}

/// How long what is over is kept.
pub(crate) fn retention(config: &config::RetentionConfig) -> Retention {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    Retention {
        keys: days(config.keys_days),
        sessions: config.sessions_days.map(days),
        history: config.history_days.map(days),
    }
}

/// What stands where the store should be.
pub(crate) enum Present {
    /// Nothing; a replica that starts makes a store there.
    Nothing,
    /// One of an earlier schema; a replica that starts brings it up to date.
    Older {
        /// Its version.
        has: i64,
        /// The version that this program needs.
        needs: i64,
    },
    /// One that can be opened as it is.
    Store,
}

/// Looks where the store should be and changes nothing. The error is what keeps a replica from starting.
pub(crate) async fn present(state: &State) -> anyhow::Result<Present> {
    let (present, needs) = match state.store()? {
        StoreUrl::Sqlite(path) => {
            let present = sqlite::version(&path)?;
            if present.is_none() {
                sqlite::can_be_made(&path)?;
            }
            (present, sqlite::SCHEMA_VERSION)
        }
        StoreUrl::Postgres(options) => (PostgresStore::version(&options).await?, postgres::SCHEMA_VERSION),
    };
    Ok(match present {
        None => Present::Nothing,
        Some(has) if has < needs => Present::Older { has, needs },
        Some(_) => Present::Store,
    })
}

/// The models.
pub(crate) fn models(state: &State) -> anyhow::Result<Models> {
    let configured = &state.config.models.providers;
    if configured.is_empty() {
        let pace = state.config.regrow.demo_pace_ms;
        return Ok(
            pace.map_or_else(Models::demo, |ms| Models::demo_paced(Duration::from_millis(u64::from(ms))))
        );
    }
    let providers = configured.iter().map(|(id, provider)| provider_options(id, provider)).collect();
    Ok(Models::new(ProviderSet { providers, ..ProviderSet::default() })?)
}

fn provider_options(id: &str, provider: &ProviderConfig) -> ProviderOptions {
    let seconds = |given: Option<u32>, otherwise: Duration| {
        given.map_or(otherwise, |seconds| Duration::from_secs(u64::from(seconds)))
    };
    let usual = Timeouts::default();
    let given = &provider.timeouts;
    ProviderOptions {
        id: id.to_owned(),
        api: match provider.api {
            ModelApi::OpenaiCompletions => Api::OpenAiCompletions,
            ModelApi::AnthropicMessages => Api::AnthropicMessages,
        },
        base_url: provider.base_url.clone(),
        api_key: provider.api_key.as_ref().map(config::Secret::to_secret_string),
        headers: provider
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect(),
        timeouts: Timeouts {
            connect: seconds(given.connect_seconds, usual.connect),
            first_byte: seconds(given.first_byte_seconds, usual.first_byte),
            idle: seconds(given.idle_seconds, usual.idle),
            total: seconds(given.total_seconds.or(provider.timeout_seconds), usual.total),
        },
        models: provider.models.iter().map(model_options).collect(),
    }
}

fn model_options(model: &config::ModelConfig) -> ModelOptions {
    let usual = ModelOptions::unlisted(model.id.as_str());
    ModelOptions {
        id: usual.id,
        context_window: model.context_window.unwrap_or(usual.context_window),
        max_tokens: model.max_tokens.unwrap_or(usual.max_tokens),
        images: model.input.contains(&ModelInput::Image),
    }
}

/// The agents by id, with further tools. Creates their workspaces.
pub(crate) fn agents(state: &State, more: &[Arc<dyn Tool>]) -> anyhow::Result<HashMap<String, AgentProfile>> {
    let ids = state.config.agents.entries.keys();
    ids.map(|id| Ok((id.to_string(), agent(state, id.as_str(), more)?))).collect()
}

fn agent(state: &State, id: &str, more: &[Arc<dyn Tool>]) -> anyhow::Result<AgentProfile> {
    let config = &state.config;
    let defaults = &config.agents.defaults;
    let entry = config.agents.entries.get(id).with_context(|| format!("there is no agent `{id}`"))?;
    let workspace = state.workspace(id)?;
    let state_dir = state.agent_dir(id);
    create_private(&workspace)?;
    create_private(&state_dir)?;
    if !defaults.skip_bootstrap {
        workspace::bootstrap(&workspace)?;
    }
    let models = models_of(config, id);
    let name = entry.identity.name.clone().or_else(|| entry.name.clone());
    Ok(AgentProfile {
        name: name.unwrap_or_else(|| "Assistant".to_owned()),
        workspace,
        state_dir,
        models,
        tools: toolbox(config, entry)?.with(more),
        limits: Limits {
            steps: config.regrow.run.max_steps,
            seconds: defaults.timeout_seconds,
            tokens: config.regrow.run.max_tokens.unwrap_or(0),
            attempts: ATTEMPTS,
        },
        reserve_tokens: defaults.compaction.reserve_tokens,
        keep_recent_tokens: defaults.compaction.keep_recent_tokens,
        file_chars: defaults.bootstrap_max_chars as usize,
        total_chars: defaults.bootstrap_total_max_chars as usize,
        timezone: defaults.user_timezone.clone(),
    })
}

/// The models of an agent: the first, then the fall-backs.
pub(crate) fn models_of(config: &config::Config, agent: &str) -> Vec<String> {
    match config.agents.model_of(agent) {
        Some(choice) => std::iter::once(&choice.primary).chain(&choice.fallbacks).cloned().collect(),
        None => vec![default_model(config)],
    }
}

/// The first model of the first provider, or the demonstration model.
fn default_model(config: &config::Config) -> String {
    let mut listed = config
        .models
        .providers
        .iter()
        .flat_map(|(id, provider)| provider.models.iter().map(move |model| format!("{id}/{}", model.id)));
    listed.next().unwrap_or_else(|| DEMO.to_owned())
}

fn toolbox(config: &config::Config, entry: &config::AgentEntry) -> anyhow::Result<Toolbox> {
    let (all, own) = (&config.tools, &entry.tools);
    let profile = match own.profile.or(all.profile).unwrap_or(ToolProfile::Full) {
        ToolProfile::Minimal => Profile::Minimal,
        ToolProfile::Coding => Profile::Coding,
        ToolProfile::Messaging => Profile::Messaging,
        ToolProfile::Full => Profile::Full,
    };
    let mut deny: Vec<String> = all.deny.iter().chain(&own.deny).cloned().collect();
    if !all.web.fetch.enabled {
        deny.push("web_fetch".to_owned());
    }
    let allow = if own.allow.is_empty() { &all.allow } else { &own.allow };
    let policy = Policy {
        profile,
        allow: (!allow.is_empty()).then(|| allow.clone()),
        also_allow: all.also_allow.iter().chain(&own.also_allow).cloned().collect(),
        deny,
    };
    let usual = WebOptions::default();
    let fetch = &all.web.fetch;
    let web = WebOptions {
        allow_private: config.regrow.tools.web_fetch_allow_private,
        timeout: fetch.timeout_seconds.map_or(usual.timeout, |s| Duration::from_secs(u64::from(s))),
        max_bytes: fetch.max_response_bytes.map_or(usual.max_bytes, |bytes| bytes as usize),
        max_chars: fetch.max_chars.map_or(usual.max_chars, |chars| chars as usize),
        max_redirects: fetch.max_redirects.map_or(usual.max_redirects, usize::from),
    };
    Ok(Toolbox::builtin(&policy, &web)?)
}

/// Who may come in; the generated token if nothing is configured.
pub(crate) fn auth(state: &State, store: &dyn Store) -> anyhow::Result<Auth> {
    let configured = &state.config.gateway.auth;
    Ok(match configured.effective() {
        config::Auth::Token(secret) | config::Auth::Password(secret) => {
            Auth::Secrets(vec![secret.to_secret_string()])
        }
        config::Auth::None if configured.mode == Some(config::AuthMode::None) => Auth::None,
        config::Auth::None => Auth::Secrets(vec![SecretString::from(state.generated_token(store)?)]),
    })
}

/// The proxies whose word counts about who calls. What cannot be read was refused with the configuration.
pub(crate) fn trusted_proxies(state: &State) -> Vec<Network> {
    state.config.gateway.trusted_proxies.iter().filter_map(|network| network.parse().ok()).collect()
}

/// How often somebody may fail to come in.
pub(crate) fn rate_limit(state: &State) -> AuthRateLimit {
    let limit = &state.config.gateway.auth.rate_limit;
    AuthRateLimit {
        max_attempts: limit.max_attempts,
        window: Duration::from_millis(limit.window_ms),
        lockout: Duration::from_millis(limit.lockout_ms),
        exempt_loopback: limit.exempt_loopback,
    }
}
