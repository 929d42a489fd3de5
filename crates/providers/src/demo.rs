//! The demo model: lets Regrow be tried, and tested, without a key and without a network. Its answers are a function of
//! the conversation; it never fails.

mod script;

use std::time::Duration;

use async_trait::async_trait;
use regrow_protocol::{StopReason, Usage};

use crate::provider::{Call, CallError, Provider};
use crate::{Completion, Delta, ModelOptions, OnDelta};

/// How long a word takes: about 40 words a second, faster than reading and slow enough to be seen.
pub(crate) const PER_WORD: Duration = Duration::from_millis(25);

/// The demo model as a provider.
pub(crate) struct Demo {
    per_word: Duration,
}

impl Default for Demo {
    fn default() -> Self {
        Self::new(PER_WORD)
    }
}

impl Demo {
    pub(crate) fn new(per_word: Duration) -> Self {
        Self { per_word }
    }

    /// Streams `text` word by word, each with the space after it.
    async fn say(&self, text: &str, on_delta: OnDelta<'_>) {
        for word in text.split_inclusive(char::is_whitespace) {
            if self.per_word.is_zero() {
                tokio::task::consume_budget().await;
            } else {
                tokio::time::sleep(self.per_word).await;
            }
            on_delta(Delta::Text(word));
        }
    }
}

/// The provider's id and its only model.
pub(crate) fn listing() -> (String, Vec<ModelOptions>) {
    let model =
        ModelOptions { id: "demo".to_owned(), context_window: 128_000, max_tokens: 8192, images: true };
    ("demo".to_owned(), vec![model])
}

#[async_trait]
impl Provider for Demo {
    async fn stream(&self, call: &Call<'_>, on_delta: OnDelta<'_>) -> Result<Completion, CallError> {
        let script::Answer { text, tool_calls } = script::answer(call.request);
        self.say(&text, on_delta).await;
        let stop = if tool_calls.is_empty() { StopReason::Stop } else { StopReason::ToolCalls };
        let usage =
            Usage { output: words(&text), input: script::input_words(call.request), ..Usage::default() };
        Ok(Completion { text, tool_calls, stop, usage, raw: None, model: call.info.name.clone() })
    }
}

/// What counts as the demo model's tokens.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
