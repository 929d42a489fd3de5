//! `regrow health`: is a gateway ready? For people and for container health checks.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Common, Health};
use crate::client::local;
use crate::state::State;

/// How long the gateway may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

pub(super) async fn run(common: &Common, health: Health) -> anyhow::Result<ExitCode> {
    let url = match health.url {
        Some(url) => url,
        None => format!("http://{}", local(State::open(common)?.config.gateway.listen_address())),
    };
    let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
    let url = format!("{}/readyz", url.trim_end_matches('/'));
    match http.get(&url).send().await {
        Ok(response) if response.status().is_success() => {
            println!("ready: {url}");
            Ok(ExitCode::SUCCESS)
        }
        Ok(response) => {
            let status = response.status();
            println!("not ready ({status}): {}", response.text().await.unwrap_or_default());
            Ok(ExitCode::FAILURE)
        }
        Err(_) => {
            println!("no gateway answers at {url}; start one with: regrow");
            Ok(ExitCode::FAILURE)
        }
    }
}
