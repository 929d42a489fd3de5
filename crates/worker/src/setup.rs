//! What a run works with: its agent's prompt, tools, models and limits, as they are when the run begins here. Only the
//! models are looked up anew for each call, because keys that were exchanged are not good for long.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use regrow_agent::{Agent, Effect, Inbound, Journal};
use regrow_protocol::ToolSpec;
use regrow_providers::Models;
use regrow_tools::{Class, Toolbox};

use crate::AgentProfile;
use crate::worker::{Inner, Present};

/// The context window that is assumed of a model that nobody knows; asking it fails anyway.
const ASSUMED_WINDOW: u32 = 128_000;

/// Bytes that the description of a tool takes in a request beside its name and text.
const TOOL_OVERHEAD: usize = 200;

/// See the module.
pub(crate) struct Setup<'a> {
    /// The agent.
    pub(crate) profile: &'a AgentProfile,
    /// Its system prompt.
    pub(crate) prompt: Arc<str>,
    /// The models to ask, in turn.
    pub(crate) chain: Cow<'a, [String]>,
    /// All models that there were when the run began here.
    models: &'a Arc<Models>,
    /// What the core needs to know.
    pub(crate) agent: Agent,
    /// An estimate of the tokens of prompt and tools.
    pub(crate) prompt_tokens: u32,
}

impl<'a> Setup<'a> {
    /// The setup of agent `id` for a message that was accepted at `accepted_at` (milliseconds since 1970).
    pub(crate) async fn new(
        present: &'a Present,
        id: &str,
        profile: &'a AgentProfile,
        inbound: &Inbound,
        accepted_at: i64,
    ) -> Self {
        let prompt = present.prompts.render(id, profile, accepted_at).await;
        let chain = inbound
            .model
            .clone()
            .map_or(Cow::Borrowed(profile.models.as_slice()), |model| Cow::Owned(vec![model]));
        let models = &present.settings.models;
        let first = chain.first().and_then(|name| models.info(name));
        let described: usize =
            tools(profile, inbound).map(|t| t.name.len() + t.description.len() + TOOL_OVERHEAD).sum();
        let agent = Agent {
            tools: effects(&profile.tools),
            context_window: first.map_or(ASSUMED_WINDOW, |model| model.context_window),
            reserve_tokens: profile.reserve_tokens,
            keep_recent_tokens: profile.keep_recent_tokens,
            limits: profile.limits,
        };
        let prompt_tokens = u32::try_from((prompt.len() + described) / 4).unwrap_or(u32::MAX);
        Self { profile, prompt, chain, models, agent, prompt_tokens }
    }

    /// The agent's tools and its sender's.
    pub(crate) fn tools<'b>(&'b self, inbound: &'b Inbound) -> impl Iterator<Item = &'b ToolSpec> {
        tools(self.profile, inbound)
    }

    /// The models of this moment; those of the run's beginning if one that the run asks has been taken away since.
    pub(crate) fn models(&self, worker: &Inner) -> Arc<Models> {
        let now = Arc::clone(&worker.present.get().settings.models);
        let is_gone = |name: &String| now.info(name).is_none() && self.models.info(name).is_some();
        if self.chain.iter().any(is_gone) { Arc::clone(self.models) } else { now }
    }

    /// The model that is asked first.
    pub(crate) fn model(&self) -> &str {
        self.chain.first().map_or("", String::as_str)
    }

    /// Tokens that the model takes.
    pub(crate) fn context_window(&self) -> u64 {
        u64::from(self.agent.context_window)
    }

    /// An estimate of the tokens of the next model call.
    pub(crate) fn context_tokens(&self, journal: &Journal) -> u64 {
        u64::from(self.prompt_tokens) + regrow_agent::context_tokens(journal) as u64
    }
}

/// The sender's tools win over the agent's of the same name.
fn tools<'a>(profile: &'a AgentProfile, inbound: &'a Inbound) -> impl Iterator<Item = &'a ToolSpec> {
    let own =
        profile.tools.specs().filter(|spec| !inbound.tools.iter().any(|theirs| theirs.name == spec.name));
    own.chain(&inbound.tools)
}

/// What a takeover may do with a call of each tool that was cut off.
fn effects(tools: &Toolbox) -> BTreeMap<String, Effect> {
    let effect = |spec: &ToolSpec| {
        let class = tools.get(&spec.name)?.class();
        let effect = if class == Class::Unsafe { Effect::Unsafe } else { Effect::Repeatable };
        Some((spec.name.clone(), effect))
    };
    tools.specs().filter_map(effect).collect()
}
