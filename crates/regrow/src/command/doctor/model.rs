//! The default agent's first model: which one it is, and (only if the doctor looks deep) whether its provider answers.

use std::time::Duration;

use regrow_store::Finding;
use reqwest::StatusCode;

use crate::config::{ModelApi, ProviderConfig};
use crate::state::State;
use crate::wiring;

const SUBJECT: &str = "model";

/// How long a provider may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn check(state: &State, deep: bool) -> Finding {
    let config = &state.config;
    let model =
        wiring::models_of(config, config.agents.default_agent()).into_iter().next().unwrap_or_default();
    let provider = model.split_once('/').and_then(|(id, _)| config.models.providers.get(id));
    match provider {
        None => Finding::ok(SUBJECT, format!("{model}, built in")),
        Some(_) if !deep => Finding::ok(SUBJECT, format!("{model}; --deep asks whether it answers")),
        Some(provider) => judge(&model, ask(provider).await),
    }
}

/// Lists the models: the cheapest question that needs a right key.
async fn ask(provider: &ProviderConfig) -> Result<StatusCode, String> {
    let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none());
    let http = http.build().map_err(|error| error.to_string())?;
    let mut request = http.get(format!("{}/models", provider.base_url.trim_end_matches('/')));
    if let Some(key) = &provider.api_key {
        request = match provider.api {
            ModelApi::OpenaiCompletions => request.bearer_auth(key.expose()),
            ModelApi::AnthropicMessages => {
                request.header("x-api-key", key.expose()).header("anthropic-version", "2023-06-01")
            }
        };
    }
    for (name, value) in &provider.headers {
        request = request.header(name, value.expose());
    }
    let answer =
        request.send().await.map_err(|error| format!("{:#}", anyhow::Error::from(error.without_url())))?;
    Ok(answer.status())
}

fn judge(model: &str, answer: Result<StatusCode, String>) -> Finding {
    match answer {
        Ok(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => Finding::problem(
            SUBJECT,
            format!("the provider of {model} refuses the key ({status})"),
            "correct `apiKey` of the provider",
        ),
        // Not every server lists its models; one that says so is there.
        Ok(status) if status.is_server_error() => Finding::warning(
            SUBJECT,
            format!("the provider of {model} answers with {status}"),
            "runs are tried again, and then on the fall-back models; see that there are some",
        ),
        Ok(_) => Finding::ok(SUBJECT, format!("{model}; its provider answers")),
        Err(error) => Finding::warning(
            SUBJECT,
            format!("the provider of {model} does not answer: {error}"),
            "correct its `baseUrl`, or look at the network and the proxy between",
        ),
    }
}

#[cfg(test)]
mod tests {
    use regrow_store::Level;

    use super::*;

    #[test]
    fn what_an_answer_means() {
        for (status, want) in
            [(200, Level::Ok), (404, Level::Ok), (503, Level::Warning), (401, Level::Problem)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge("a/b", Ok(status)).level, want, "{status}");
        }
        assert_eq!(judge("a/b", Err("refused".to_owned())).level, Level::Warning);
    }
}
