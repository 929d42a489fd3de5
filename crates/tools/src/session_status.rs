//! `session_status`: what an agent can know about its own session, as short lines.

use std::fmt::Write;

use async_trait::async_trait;
use regrow_protocol::ToolSpec;
use serde_json::{Value, json};

use crate::{Class, Context, Output, Tool};

/// The facts about a session at the moment of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// The session's key, such as `agent:main:main`.
    pub session_key: String,
    /// The agent's id.
    pub agent: String,
    /// The model that answers now.
    pub model: String,
    /// The run that makes this call.
    pub run_id: String,
    /// The replica that drives the run.
    pub replica: String,
    /// The fencing token of its lease.
    pub epoch: i64,
    /// Turns of this session so far, this one included.
    pub turns: u64,
    /// Tokens of the context that was last sent to the model.
    pub context_tokens: u64,
    /// Tokens that the model can take; 0 if unknown.
    pub context_window: u64,
    /// Date and time with the zone, ready to print.
    pub now: String,
}

impl SessionStatus {
    /// One fact a line.
    fn lines(&self) -> String {
        let facts = [
            ("Time", self.now.clone()),
            ("Session", self.session_key.clone()),
            ("Agent", self.agent.clone()),
            ("Model", self.model.clone()),
            ("Context", self.context()),
            ("Turns", self.turns.to_string()),
            ("Run", self.run_id.clone()),
            ("Replica", format!("{} (epoch {})", self.replica, self.epoch)),
        ];
        facts.iter().fold(String::new(), |mut text, (name, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {value}");
            text
        })
    }

    fn context(&self) -> String {
        match self.context_window {
            0 => format!("{} tokens", self.context_tokens),
            window => {
                let percent = self.context_tokens.saturating_mul(100) / window;
                format!("{} of {window} tokens ({percent}%)", self.context_tokens)
            }
        }
    }
}

/// The tool.
pub(crate) struct StatusTool {
    spec: ToolSpec,
}

impl StatusTool {
    pub(crate) fn new() -> Self {
        let spec = ToolSpec {
            name: "session_status".into(),
            description:
                "Tells the current date and time, this session's key, model, use of the context window and \
                          number of turns. Use it for any question about the time or about yourself."
                    .into(),
            parameters: json!({ "type": "object", "properties": {} }),
            strict: false,
        };
        Self { spec }
    }
}

#[async_trait]
impl Tool for StatusTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn class(&self) -> Class {
        Class::Pure
    }

    async fn call(&self, context: &Context<'_>, _arguments: Value) -> Output {
        Output::ok(context.status.lines())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_a_line() {
        let status = SessionStatus {
            session_key: "agent:main:team".into(),
            agent: "main".into(),
            model: "acme/large".into(),
            run_id: "run-1".into(),
            replica: "replica-1".into(),
            epoch: 7,
            turns: 3,
            context_tokens: 32_000,
            context_window: 128_000,
            now: "Thursday 10:00 UTC".into(),
        };
        let want = "Time: Thursday 10:00 UTC\nSession: agent:main:team\nAgent: main\nModel: acme/large\n\
                    Context: 32000 of 128000 tokens (25%)\nTurns: 3\nRun: run-1\nReplica: replica-1 (epoch 7)\n";
        assert_eq!(status.lines(), want);
    }

    #[test]
    fn an_unknown_window_divides_nothing() {
        let status = SessionStatus { context_tokens: 5, ..SessionStatus::default() };
        assert!(status.lines().contains("Context: 5 tokens\n"));
    }
}
