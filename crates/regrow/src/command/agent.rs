//! `regrow agent`: one message, its reply streamed.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use regrow_protocol::RunId;

use crate::cli::{Agent, Common};
use crate::client::{Client, Event, Question};

/// The conversation that is meant when none is named.
pub(super) const MAIN: &str = "main";

pub(super) async fn run(common: &Common, agent: Agent) -> anyhow::Result<ExitCode> {
    let message = match agent.message.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read the message")?;
            text
        }
        text => text.to_owned(),
    };
    let mut client = Client::new(common, &agent.target).await?;
    let key = agent.idempotency_key.unwrap_or_else(|| RunId::new().to_string());
    let question = Question {
        message: &message,
        agent: agent.agent.as_deref(),
        session_key: agent.session_key.as_deref().unwrap_or(MAIN),
        key: &key,
    };
    let json = agent.json;
    let answer = client
        .ask(&question, |event| {
            if !json {
                show(event)
            }
        })
        .await?;
    if json {
        let object = serde_json::json!({
            "runId": answer.run, "sessionKey": answer.session_key, "text": answer.text,
            "continued": answer.continued, "idempotencyKey": key,
        });
        println!("{object}");
    } else {
        println!();
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints text at once.
pub(super) fn show(event: Event<'_>) {
    let Event::Text(text) = event else { return };
    let mut out = std::io::stdout().lock();
    // A closed pipe ends the output, not the run.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
