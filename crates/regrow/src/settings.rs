//! From the configuration to what of a replica may change while it runs, at its start and at each change of the files.

use std::sync::Arc;

use regrow_providers::Models;
use regrow_store::Store;
use regrow_telemetry::Metrics;
use regrow_tools::Tool;

use crate::config::Role;
use crate::state::State;
use crate::wiring;

/// What may change. It is made as a whole, or not at all.
pub(crate) struct Settings {
    /// What the worker goes by.
    pub(crate) worker: regrow_worker::Settings,
    /// What the front door goes by.
    pub(crate) door: regrow_gateway::Settings,
}

/// What settings are made with, beside the configuration.
pub(crate) struct Workshop {
    pub(crate) store: Arc<dyn Store>,
    /// Further tools of every agent.
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    /// Who is told of model calls.
    pub(crate) metrics: Option<Metrics>,
}

impl Workshop {
    /// The settings that the configuration asks for. Creates the workspaces of agents, and a token if none is configured.
    pub(crate) fn settings(&self, state: &State) -> anyhow::Result<Settings> {
        self.settings_with(state, self.models(state)?)
    }

    /// The same with models that are there already.
    pub(crate) fn settings_with(&self, state: &State, models: Arc<Models>) -> anyhow::Result<Settings> {
        let config = &state.config;
        let known = Arc::clone(&models);
        Ok(Settings {
            worker: regrow_worker::Settings {
                max_queued: wiring::max_queued(config),
                max_ready: u64::from(config.regrow.max_ready),
                retention: wiring::retention(&config.regrow.retention),
                agents: wiring::agents(state, &self.tools)?,
                models,
            },
            door: regrow_gateway::Settings {
                auth: wiring::auth(state, &*self.store)?,
                rate_limit: wiring::rate_limit(state),
                trusted_proxies: wiring::trusted_proxies(state),
                agents: config.agents.entries.keys().map(ToString::to_string).collect(),
                default_agent: config.agents.default_agent().to_owned(),
                model_known: Arc::new(move |name| known.info(name).is_some()),
                chat_completions: config.gateway.http.endpoints.chat_completions.enabled
                    && config.regrow.roles.contains(&Role::Gateway),
            },
        })
    }

    /// The models, whose calls are counted.
    fn models(&self, state: &State) -> anyhow::Result<Arc<Models>> {
        let models = wiring::models(state)?;
        let Some(metrics) = &self.metrics else { return Ok(Arc::new(models)) };
        let providers = &state.config.models.providers;
        providers.keys().for_each(|provider| metrics.begin_provider(provider));
        if providers.is_empty() {
            metrics.begin_provider(wiring::DEMO_PROVIDER);
        }
        Ok(Arc::new(models.observed_by(Arc::new(metrics.clone()))))
    }
}
