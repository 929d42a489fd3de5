//! Which providers and models there are, and how patient a call is. Plain data; `Models::new` judges it.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// What `Models::new` is built from.
#[derive(Debug, Default)]
pub struct Options {
    /// The providers; without any, the demo model stands in.
    pub providers: Vec<ProviderOptions>,
    /// How failed calls are repeated.
    pub retry: Retry,
}

/// One provider: an endpoint, how to talk to it, and what is known of its models.
pub struct ProviderOptions {
    /// The part of a model's name before the first `/`; not empty, without `/`, unique.
    pub id: String,
    /// The dialect it speaks.
    pub api: Api,
    /// Where it is: `http://host/v1` for OpenAI's dialect, with or without `/v1` for Anthropic's; unused by the demo.
    pub base_url: String,
    /// The key sent with each call; local servers often need none.
    pub api_key: Option<SecretString>,
    /// Further headers of each call; they win over the ones that the dialect sets.
    pub headers: Vec<(String, String)>,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// What is known of its models. Others can be called too, with default limits.
    pub models: Vec<ModelOptions>,
}

/// By hand, because keys and headers are secrets, and a base URL may contain one.
impl fmt::Debug for ProviderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderOptions")
            .field("id", &self.id)
            .field("api", &self.api)
            .field("timeouts", &self.timeouts)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

/// What is known of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    /// The model's id at its provider; it may contain `/`.
    pub id: String,
    /// Tokens of prompt and answer together.
    pub context_window: u32,
    /// The most tokens of one answer.
    pub max_tokens: u32,
    /// The model reads images; if not, images are replaced by a note.
    pub images: bool,
}

impl ModelOptions {
    /// What is assumed of a model of which nothing is known.
    pub fn unlisted(id: impl Into<String>) -> Self {
        Self { id: id.into(), context_window: 128_000, max_tokens: 8192, images: true }
    }
}

/// The dialect of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI chat completions, and the many servers that are compatible with them.
    OpenAiCompletions,
    /// Anthropic messages.
    AnthropicMessages,
    /// The built-in demo model: no network, no key.
    Demo,
}

/// How long the stages of one attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// From the start of the attempt to the first byte of the answer's body: the time a model may think in silence.
    pub first_byte: Duration,
    /// Between two reads of the body.
    pub idle: Duration,
    /// The whole attempt.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(600),
        }
    }
}

/// How failed calls are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts per model, the first one included; at least 1.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles from then on, and half of each pause is random.
    pub base_delay: Duration,
    /// The longest pause of our own choosing; a provider's `Retry-After` may ask for more.
    pub max_delay: Duration,
    /// The time after the start of the call within which models are tried again. When it is spent, each model that is
    /// left in the chain still gets one attempt.
    pub budget: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            budget: Duration::from_secs(90),
        }
    }
}
