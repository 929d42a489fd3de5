//! What holds for a request: who may ask, which agents and models there are. It may change while the door is open.
//!
//! A request is judged by the rules that are in force when it has arrived. What was admitted goes on.

use std::sync::Arc;

use regrow_worker::InForce;

use crate::Settings;
use crate::auth::Gate;
use crate::models::Roster;

/// The rules in force, shared by the door and by who changes them.
pub struct Rules(InForce<Rule>);

/// The rules of one moment.
pub(crate) struct Rule {
    /// Who may ask.
    pub(crate) gate: Gate,
    /// Which agents can be asked.
    pub(crate) roster: Roster,
    /// Whether a `provider/model` is configured.
    pub(crate) model_known: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// `/v1/chat/completions` and `/v1/models` are served.
    pub(crate) chat_completions: bool,
}

impl Rules {
    /// The rules that hold from the beginning.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self(InForce::new(Rule::new(settings, None))))
    }

    /// From now on these hold. Wrong guesses of before count as long as the secrets stay what they are.
    pub fn change(&self, settings: Settings) {
        let before = self.0.get();
        self.0.replace(Rule::new(settings, Some(&before.gate)));
    }

    pub(crate) fn now(&self) -> Arc<Rule> {
        self.0.get()
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

impl Rule {
    fn new(settings: Settings, before: Option<&Gate>) -> Self {
        let gate = Gate::new(&settings.auth, settings.rate_limit, settings.trusted_proxies);
        Self {
            gate: match before {
                Some(before) => gate.after(before),
                None => gate,
            },
            roster: Roster::new(settings.agents, settings.default_agent),
            model_known: settings.model_known,
            chat_completions: settings.chat_completions,
        }
    }
}
