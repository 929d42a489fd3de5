//! The agent run as a pure function of its journal.
//!
//! [`next`] looks at what is recorded and says what to do next; it does no I/O and knows no clock. Recovery is
//! therefore not a special case: whoever holds the session reads the journal and asks again. Cutting the journal after
//! any entry and resuming gives the same outcome, which the tests enumerate.
//!
//! [`schedule`] says when an agent is spoken to by the clock, in the same way.

mod compaction;
mod context;
mod entry;
mod inbound;
mod journal;
mod next;
mod prompt;
mod reply;
mod tokens;
mod transcript;
mod weight;

pub mod schedule;

pub use compaction::{CompactionPlan, context_tokens};
pub use context::messages;
pub use entry::{Ending, Entry, Failure, FailureKind, Final, ToolOutcome};
pub use inbound::Inbound;
pub use journal::{Journal, Recorded};
pub use next::{Action, Agent, Answered, Effect, Limits, PlannedCall, Situation, Way, answered, next};
pub use prompt::{PromptInputs, WORKSPACE_FILES, WorkspaceFile, system_prompt};
pub use reply::{Reply, extend_visible, visible_text};
pub use transcript::Transcript;
