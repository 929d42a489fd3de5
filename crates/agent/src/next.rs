//! The heart of a run: what is recorded decides what happens next.

use std::collections::BTreeMap;

use regrow_protocol::{Message, StopReason, ToolCall};

use crate::compaction::{self, CompactionPlan};
use crate::journal::OpenCalls;
use crate::{Ending, Entry, FailureKind, Final, Journal};

/// What a run may do, and how far it may go.
#[derive(Debug, Clone)]
pub struct Agent {
    /// This gateway's tools, with what a takeover may do with a call that was cut off.
    pub tools: BTreeMap<String, Effect>,
    /// Tokens that the model takes.
    pub context_window: u32,
    /// Tokens of the window that are kept free for the answer.
    pub reserve_tokens: u32,
    /// Tokens of recent conversation that a compaction keeps word for word.
    pub keep_recent_tokens: u32,
    /// How far a run may go.
    pub limits: Limits,
}

/// What repeating a tool call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more than calling it once.
    Repeatable,
    /// Something more: a call that was cut off is never repeated.
    Unsafe,
}

/// How far a run may go. A run that reaches a limit ends as failed, visibly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Model answers.
    pub steps: u32,
    /// Seconds since the message was accepted.
    pub seconds: u64,
    /// Tokens over all model calls; 0 means no limit.
    pub tokens: u64,
    /// Claims without progress: a run that ends its replica each time must end itself.
    pub attempts: u32,
}

/// What is not in the journal but decides as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Situation {
    /// The sender wants the run to stop.
    pub aborted: bool,
    /// How often the run was claimed since it last made progress.
    pub attempt: u32,
    /// Seconds since the message was accepted.
    pub age_seconds: u64,
    /// Tokens of the system prompt and the tool descriptions.
    pub prompt_tokens: u32,
    /// The provider has refused the present context as too long.
    pub overflow: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the model with [`crate::messages`].
    CallModel,
    /// Make a summary, record it, ask again.
    Compact(CompactionPlan),
    /// Settle these calls (all may run at once), record their results, ask again.
    CallTools(Vec<PlannedCall>),
    /// Record the end.
    Finish(Final),
}

/// A tool call that has no result yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCall {
    /// The call.
    pub call: ToolCall,
    /// How to settle it.
    pub way: Way,
}

/// How a call without a result is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Execute it; it has no effect that repeating would add to.
    Execute,
    /// Record the intent, then execute it.
    ExecuteOnce,
    /// It was started and cut off, and must not be repeated: tell the model that its outcome is unknown.
    Unknown,
    /// Nobody has such a tool: tell the model.
    Missing,
}

/// What to do with a model's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// Record it and go on: it asks for tools of this gateway.
    Step(Entry),
    /// It ends the run.
    Finish(Final),
}

/// What a run does next, given its journal.
pub fn next(journal: &Journal, agent: &Agent, situation: &Situation) -> Action {
    if situation.aborted {
        return Action::Finish(Final::aborted(""));
    }
    let open = journal.open_calls();
    let planned = plan_calls(&open, journal, agent);
    // Before the limits: what is left to do here costs nothing.
    if planned.is_empty() && waits_for_sender(&open) {
        return Action::Finish(handed_to_sender());
    }
    if let Some(failed) = limit_reached(journal, &agent.limits, situation) {
        return Action::Finish(failed);
    }
    if !planned.is_empty() {
        return Action::CallTools(planned);
    }
    match compaction::plan(journal, agent, situation.prompt_tokens as usize, situation.overflow) {
        Some(plan) => Action::Compact(plan),
        None if situation.overflow => Action::Finish(Final::failed(
            FailureKind::ContextTooLong,
            "The message does not fit the model's context, even with the older conversation summarised. Send a \
             shorter message, or configure a model with a larger context window.",
        )),
        None => Action::CallModel,
    }
}

/// What a model's answer means for the run: it goes on if a tool of this gateway is asked for, and ends otherwise.
pub fn answered(
    message: Message,
    stop: StopReason,
    model: String,
    usage: regrow_protocol::Usage,
    journal: &Journal,
) -> Answered {
    let calls_gateway = match &message {
        Message::Assistant { tool_calls, .. } => tool_calls.iter().any(|call| !is_sender_tool(journal, call)),
        _ => false,
    };
    if calls_gateway {
        return Answered::Step(Entry::Assistant { message, model, usage });
    }
    Answered::Finish(Final { ending: Ending::Done, message: Some(message), stop, model, usage })
}

/// Calls that this gateway has to settle, in the model's order.
fn plan_calls(open: &OpenCalls<'_>, journal: &Journal, agent: &Agent) -> Vec<PlannedCall> {
    let unsettled = open.calls.iter().filter(|call| !open.finished.contains(&call.id.as_str()));
    let ours = unsettled.filter(|call| !is_sender_tool(journal, call));
    ours.map(|call| PlannedCall { way: way_of(call, open, agent), call: call.clone() }).collect()
}

fn way_of(call: &ToolCall, open: &OpenCalls<'_>, agent: &Agent) -> Way {
    match agent.tools.get(&call.name) {
        Some(Effect::Repeatable) => Way::Execute,
        // Also if there is no such tool any more: there was one when the call was started.
        _ if open.started.contains(&call.id.as_str()) => Way::Unknown,
        Some(Effect::Unsafe) => Way::ExecuteOnce,
        None => Way::Missing,
    }
}

/// The sender executes this call itself. Its own tools win over the gateway's of the same name.
fn is_sender_tool(journal: &Journal, call: &ToolCall) -> bool {
    journal.inbound.tools.iter().any(|tool| tool.name == call.name)
}

/// Every call of this gateway is settled, and some of the sender's are open.
fn waits_for_sender(open: &OpenCalls<'_>) -> bool {
    open.calls.iter().any(|call| !open.finished.contains(&call.id.as_str()))
}

/// The end of a run whose last recorded answer asks for tools of the sender.
fn handed_to_sender() -> Final {
    Final {
        ending: Ending::Done,
        message: None,
        stop: StopReason::ToolCalls,
        model: String::new(),
        usage: regrow_protocol::Usage::default(),
    }
}

fn limit_reached(journal: &Journal, limits: &Limits, situation: &Situation) -> Option<Final> {
    let limit = |message: String| Some(Final::failed(FailureKind::Limit, message));
    if situation.attempt > limits.attempts {
        // How often is not known: those that died together share the blame.
        let message = "This message was given up: again and again the process that answered it ended before it had an \
                       answer. Send it again if others were the cause.";
        return Some(Final::failed(FailureKind::Crashed, message));
    }
    if situation.age_seconds > limits.seconds {
        return limit(format!("The run took longer than its limit of {} seconds.", limits.seconds));
    }
    let (mut steps, mut tokens) = (0, 0);
    for recorded in journal.run() {
        match &*recorded.entry {
            Entry::Assistant { usage, .. } => {
                steps += 1;
                tokens += usage.total();
            }
            Entry::Compaction { usage, .. } => tokens += usage.total(),
            _ => {}
        }
    }
    if steps >= limits.steps {
        return limit(format!(
            "The run reached its limit of {} model calls without finishing.",
            limits.steps
        ));
    }
    if limits.tokens > 0 && tokens >= limits.tokens {
        return limit(format!("The run reached its limit of {} tokens without finishing.", limits.tokens));
    }
    None
}
