//! Catalogues for tests, and one call with all that it streamed.

use std::borrow::Cow;
use std::time::Duration;

use regrow_protocol::Message;
use regrow_providers::{
    Api, Completion, Delta, Error, ModelOptions, ModelRequest, Models, Options, ProviderOptions, Retry,
    Timeouts,
};

/// The key that must not appear in any message.
pub(crate) const KEY: &str = "sk-very-secret";

/// A provider called `id` at `base_url`, with one listed model, `text`, that reads no images.
pub(crate) fn provider(id: &str, api: Api, base_url: &str) -> ProviderOptions {
    ProviderOptions {
        id: id.to_owned(),
        api,
        base_url: base_url.to_owned(),
        api_key: Some(KEY.into()),
        headers: Vec::new(),
        timeouts: Timeouts::default(),
        models: vec![ModelOptions {
            id: "text".to_owned(),
            context_window: 1000,
            max_tokens: 77,
            images: false,
        }],
    }
}

/// Retries without noticeable pauses.
pub(crate) fn quick() -> Retry {
    Retry { base_delay: Duration::from_millis(1), ..Retry::default() }
}

pub(crate) fn models(providers: Vec<ProviderOptions>) -> Models {
    Models::new(Options { providers, retry: quick() }).unwrap()
}

/// The models of one OpenAI-compatible server, as provider `o`.
pub(crate) fn openai(url: &str) -> Models {
    models(vec![provider("o", Api::OpenAiCompletions, &format!("{url}/v1"))])
}

/// The models of one Anthropic server, as provider `a`.
pub(crate) fn anthropic(url: &str) -> Models {
    models(vec![provider("a", Api::AnthropicMessages, url)])
}

/// A request of one user message.
pub(crate) fn hello() -> ModelRequest<'static> {
    ModelRequest { messages: vec![Cow::Owned(Message::user("hello"))].into(), ..ModelRequest::default() }
}

/// Asks the chain, and gives the answer and what was streamed: the text, with `|` for each restart.
pub(crate) async fn ask(
    models: &Models,
    chain: &[&str],
    request: &ModelRequest<'_>,
) -> (Result<Completion, Error>, String) {
    let chain: Vec<String> = chain.iter().map(|name| (*name).to_owned()).collect();
    let mut streamed = String::new();
    let mut on_delta = |delta: Delta<'_>| match delta {
        Delta::Text(text) => streamed.push_str(text),
        Delta::Restart => streamed.push('|'),
    };
    let result = sendable(models.complete(&chain, request, &mut on_delta)).await;
    (result, streamed)
}

/// Holds calls to what a multi-threaded runtime needs of them.
fn sendable<F: Future + Send>(call: F) -> F {
    call
}
