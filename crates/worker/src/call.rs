//! Settling the tool calls of a model's answer, several at once.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use regrow_agent::{Entry, PlannedCall, ToolOutcome, Way};
use regrow_protocol::{Message, Seq, ToolCall};
use regrow_tools::{Output, SessionStatus};
use tracing::Instrument;

use crate::drive::Stopped;
use crate::run::Run;
use crate::setup::Setup;

/// The longest that a tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_secs(600);

/// What the model is told of a call that was cut off.
const UNKNOWN: &str = "The outcome of this call is unknown: the process that executed it was cut off. It was not \
                       repeated, because repeating it could do harm. Find out what happened, or ask the user.";

impl Run<'_> {
    /// Settles some of these calls and records their results; the journal then tells which are left. Repeatable calls
    /// go together; an unsafe one goes alone, so that its result is recorded the moment it is known.
    pub(crate) async fn call_tools(
        &mut self,
        setup: &Setup<'_>,
        calls: Vec<PlannedCall>,
    ) -> Result<(), Stopped> {
        let (mut alone, mut together): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|planned| planned.way == Way::ExecuteOnce);
        if together.is_empty() {
            alone.truncate(1);
            let intents = alone.iter().map(|planned| Entry::ToolStarted { call_id: planned.call.id.clone() });
            self.append(intents.collect(), None).await?;
            together = alone;
        }
        let Some(settled) = self.settle_all(setup, &together).await? else {
            // Aborted or out of time: the next look at the journal ends the run.
            return Ok(());
        };
        let results = settled
            .into_iter()
            .map(|(call_id, output, outcome)| Entry::ToolResult {
                message: Message::Tool { call_id, content: output.content, is_error: output.is_error },
                outcome,
            })
            .collect();
        self.append(results, None).await
    }

    /// Results in the model's order; `None` if the run was aborted or ran out of time meanwhile.
    async fn settle_all(
        &self,
        setup: &Setup<'_>,
        calls: &[PlannedCall],
    ) -> Result<Option<Vec<(String, Output, ToolOutcome)>>, Stopped> {
        // Asked for under an earlier lease, whose owner may have begun to execute them.
        let rerun = self.asked_at() <= self.inherited;
        let status = self.status(setup);
        let work: FuturesUnordered<_> = calls
            .iter()
            .enumerate()
            .map(|(index, planned)| {
                let status = &status;
                async move {
                    let (output, outcome) = self.settle(setup, planned, status, rerun).await;
                    (index, (planned.call.id.clone(), output, outcome))
                }
            })
            .collect();
        let Some(mut settled) = self.unless_interrupted(work.collect::<Vec<_>>()).await? else {
            return Ok(None);
        };
        settled.sort_by_key(|(index, _)| *index);
        Ok(Some(settled.into_iter().map(|(_, result)| result).collect()))
    }

    async fn settle(
        &self,
        setup: &Setup<'_>,
        planned: &PlannedCall,
        status: &SessionStatus,
        rerun: bool,
    ) -> (Output, ToolOutcome) {
        match planned.way {
            Way::Unknown => (Output::error(UNKNOWN), ToolOutcome::Unknown),
            Way::Missing => (Output::error(missing(setup, &planned.call.name)), ToolOutcome::Refused),
            Way::Execute | Way::ExecuteOnce => {
                let span = regrow_trace::execute_tool(&planned.call.name, &planned.call.id, rerun);
                let executed = self.execute(setup, &planned.call, status, rerun);
                let output = executed.instrument(span.clone()).await;
                regrow_trace::executed(&span, output.is_error.then_some("tool_error"));
                (output, ToolOutcome::Completed)
            }
        }
    }

    async fn execute(
        &self,
        setup: &Setup<'_>,
        call: &ToolCall,
        status: &SessionStatus,
        rerun: bool,
    ) -> Output {
        let Some(tool) = setup.profile.tools.get(&call.name) else {
            return Output::error(missing(setup, &call.name));
        };
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        let arguments = match serde_json::from_str(arguments) {
            Ok(arguments) => arguments,
            Err(e) => return Output::error(format!("The arguments are not valid JSON: {e}")),
        };
        // A call's id is unique within its answer only: some models count from the start in each.
        let key = format!("{}:{}:{}", self.claimed.run, self.asked_at(), call.id);
        let tool_context = regrow_tools::Context {
            workspace: &setup.profile.workspace,
            state_dir: &setup.profile.state_dir,
            key: &key,
            rerun,
            status,
        };
        let work = AssertUnwindSafe(tool.call(&tool_context, arguments)).catch_unwind();
        match tokio::time::timeout(TOOL_TIMEOUT, work).await {
            Ok(Ok(output)) => output,
            Ok(Err(_)) => {
                tracing::error!(tool = call.name, "a tool panicked");
                Output::error("The tool failed by an internal error.")
            }
            Err(_) => {
                Output::error(format!("The tool did not finish within {} seconds.", TOOL_TIMEOUT.as_secs()))
            }
        }
    }

    /// The position of the answer that asked for the open calls.
    fn asked_at(&self) -> Seq {
        let asked = self
            .journal
            .transcript
            .entries()
            .iter()
            .rev()
            .find(|r| matches!(*r.entry, Entry::Assistant { .. }));
        asked.map_or(0, |asked| asked.seq)
    }

    fn status(&self, setup: &Setup<'_>) -> SessionStatus {
        let turns = self
            .journal
            .transcript
            .entries()
            .iter()
            .filter(|r| matches!(*r.entry, Entry::User { .. }))
            .count();
        SessionStatus {
            session_key: self.claimed.session_key.to_string(),
            agent: self.claimed.session_key.agent().to_owned(),
            model: setup.model().to_owned(),
            run_id: self.claimed.run.to_string(),
            replica: self.life.replica.to_string(),
            epoch: self.claimed.epoch().0,
            turns: turns as u64,
            context_tokens: setup.context_tokens(&self.journal),
            context_window: setup.context_window(),
            now: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        }
    }
}

fn missing(setup: &Setup<'_>, name: &str) -> String {
    let names: Vec<&str> = setup.profile.tools.specs().map(|spec| spec.name.as_str()).collect();
    format!("There is no tool `{name}`. Available: {}.", names.join(", "))
}
