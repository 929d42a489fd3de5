//! What a run works with: its agent's prompt, tools, models and limits, as they are when the run begins here.

use std::collections::BTreeMap;
use std::sync::Arc;

use regrow_agent::{Agent, Effect, Inbound, Journal};
use regrow_protocol::ToolSpec;
use regrow_tools::{Class, Toolbox};

use crate::AgentProfile;
use crate::worker::Inner;

/// The context window that is assumed of a model that nobody knows; asking it fails anyway.
const ASSUMED_WINDOW: u32 = 128_000;

/// Bytes that the description of a tool takes in a request beside its name and text.
const TOOL_OVERHEAD: usize = 200;

/// See the module.
pub(crate) struct Setup {
    /// The agent.
    pub(crate) profile: AgentProfile,
    /// Its system prompt.
    pub(crate) prompt: Arc<str>,
    /// Its tools and its sender's.
    pub(crate) tools: Vec<ToolSpec>,
    /// The models to ask, in turn.
    pub(crate) chain: Vec<String>,
    /// What the core needs to know.
    pub(crate) agent: Agent,
    /// An estimate of the tokens of prompt and tools.
    pub(crate) prompt_tokens: u32,
}

impl Setup {
    /// The setup of agent `id` for a message that was accepted at `accepted_at` (milliseconds since 1970).
    pub(crate) async fn new(
        worker: &Inner,
        id: &str,
        profile: &AgentProfile,
        inbound: &Inbound,
        accepted_at: i64,
    ) -> Self {
        let prompt = worker.prompts.render(id, profile, accepted_at).await;
        let own = profile.tools.specs().into_iter();
        let own = own.filter(|spec| !inbound.tools.iter().any(|theirs| theirs.name == spec.name));
        let tools: Vec<ToolSpec> = own.chain(inbound.tools.iter().cloned()).collect();
        let chain = inbound.model.clone().map_or_else(|| profile.models.clone(), |model| vec![model]);
        let first = chain.first().and_then(|name| worker.models.info(name));
        let described: usize = tools.iter().map(|t| t.name.len() + t.description.len() + TOOL_OVERHEAD).sum();
        let agent = Agent {
            tools: effects(&profile.tools),
            context_window: first.map_or(ASSUMED_WINDOW, |model| model.context_window),
            reserve_tokens: profile.reserve_tokens,
            keep_recent_tokens: profile.keep_recent_tokens,
            limits: profile.limits,
        };
        let prompt_tokens = u32::try_from((prompt.len() + described) / 4).unwrap_or(u32::MAX);
        Self { profile: profile.clone(), prompt, tools, chain, agent, prompt_tokens }
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

/// What a takeover may do with a call of each tool that was cut off.
fn effects(tools: &Toolbox) -> BTreeMap<String, Effect> {
    let effect = |spec: ToolSpec| {
        let class = tools.get(&spec.name)?.class();
        let effect = if class == Class::Unsafe { Effect::Unsafe } else { Effect::Repeatable };
        Some((spec.name, effect))
    };
    tools.specs().into_iter().filter_map(effect).collect()
}
