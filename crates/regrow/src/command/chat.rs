//! `regrow chat`: a conversation in the terminal.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use regrow_protocol::RunId;

use super::agent::{MAIN, show};
use crate::cli::{Chat, Common};
use crate::client::{Client, Question};

pub(super) async fn run(common: &Common, chat: Chat) -> anyhow::Result<ExitCode> {
    let mut client = Client::new(common, &chat.target).await?;
    let session_key = chat.session_key.as_deref().unwrap_or(MAIN);
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        println!("Conversation `{session_key}`. An empty line or Ctrl-D ends it.");
    }
    let mut lines = std::io::stdin().lock().lines();
    loop {
        if terminal {
            print!("> ");
            std::io::stdout().flush()?;
        }
        let Some(line) = lines.next().transpose()? else { break };
        if line.trim().is_empty() {
            break;
        }
        let key = RunId::new().to_string();
        let question = Question { message: &line, agent: chat.agent.as_deref(), session_key, key: &key };
        match client.ask(&question, show).await {
            Ok(answer) if answer.continued > 0 => println!("\n(continued by another replica)"),
            Ok(_) => println!(),
            // The next message may fare better; the conversation stays open.
            Err(error) if terminal => eprintln!("{error:#}"),
            Err(error) => return Err(error),
        }
    }
    Ok(ExitCode::SUCCESS)
}
