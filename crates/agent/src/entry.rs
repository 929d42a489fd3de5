//! What a session's log records. These types are persisted: fields are only ever added, with defaults.

use regrow_protocol::{EntryKind, Holder, Message, Seq, StopReason, Usage};
use serde::{Deserialize, Serialize};

/// One entry of a session's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// What a message added to the conversation.
    User {
        /// The message's position in the inbox.
        inbox_seq: Seq,
        /// The messages added.
        messages: Vec<Message>,
    },
    /// A model's answer that asks for tools of this gateway.
    Assistant {
        /// The answer.
        message: Message,
        /// The model that gave it, as `provider/model`.
        model: String,
        /// What it cost.
        usage: Usage,
    },
    /// The intent to execute an unsafe tool. It is committed before the tool starts.
    ToolStarted {
        /// The call.
        call_id: String,
    },
    /// A tool's result.
    ToolResult {
        /// The result as the model sees it.
        message: Message,
        /// Whether the tool ran.
        outcome: ToolOutcome,
    },
    /// A summary that stands for everything up to a position.
    Compaction {
        /// The summary.
        summary: String,
        /// Entries up to this position are in the summary; later ones are kept.
        through: Seq,
        /// What the summary cost.
        usage: Usage,
    },
    /// The end of a run.
    Final(Final),
    /// The conversation starts afresh after this entry.
    Reset,
}

/// Whether a tool ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It ran to its end, well or not.
    Completed,
    /// It was never started.
    Refused,
    /// It was started and cut off, and must not be repeated: nobody knows what it did. What a newer release records
    /// and this one does not know is read as this, too.
    #[serde(other)]
    Unknown,
}

/// The end of a run: exactly one per run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// How it ended.
    pub ending: Ending,
    /// The last assistant message, where there is one: the reply, calls of the sender's tools, or what was said
    /// before the run was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Why the model stopped.
    pub stop: StopReason,
    /// The model that gave the last answer; empty if none did.
    #[serde(default)]
    pub model: String,
    /// What the last answer cost.
    #[serde(default)]
    pub usage: Usage,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// With a reply.
    Done,
    /// Without one.
    Failed(Failure),
    /// Its sender did not want it any more.
    Aborted,
}

/// Why a run failed, in a sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What to do about it is decided on this.
    pub reason: FailureKind,
    /// The sentence.
    pub message: String,
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The provider does not accept the request: configuration, credentials or content.
    ModelRefused,
    /// No model answered, after all retries and fall-backs.
    ModelUnavailable,
    /// The conversation does not fit the model, even after compaction.
    ContextTooLong,
    /// A limit of the run was reached: steps, time or tokens.
    Limit,
    /// The run ended its replica several times.
    Crashed,
    /// A defect of this program.
    #[serde(other)]
    Internal,
}

impl FailureKind {
    /// The word for people and traces; the one that is persisted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModelRefused => "model_refused",
            Self::ModelUnavailable => "model_unavailable",
            Self::ContextTooLong => "context_too_long",
            Self::Limit => "limit",
            Self::Crashed => "crashed",
            Self::Internal => "internal",
        }
    }
}

impl Entry {
    /// The messages that it holds, instructions included.
    pub(crate) fn messages(&self) -> &[Message] {
        match self {
            Self::User { messages, .. } => messages,
            Self::Assistant { message, .. } | Self::ToolResult { message, .. } => {
                std::slice::from_ref(message)
            }
            Self::Final(last) => last.message.as_slice(),
            Self::ToolStarted { .. } | Self::Compaction { .. } | Self::Reset => &[],
        }
    }

    /// The kind under which the store keeps it.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::User { .. } => EntryKind::User,
            Self::Assistant { .. } => EntryKind::Assistant,
            Self::ToolStarted { .. } => EntryKind::ToolStarted,
            Self::ToolResult { .. } => EntryKind::ToolResult,
            Self::Compaction { .. } => EntryKind::Compaction,
            Self::Final(_) => EntryKind::Final,
            Self::Reset => EntryKind::Reset,
        }
    }
}

impl Holder for Entry {
    fn held(&self) -> &[Message] {
        self.messages()
    }
}

impl Final {
    /// The end of a run that could not be answered.
    pub fn failed(reason: FailureKind, message: impl Into<String>) -> Self {
        Self {
            ending: Ending::Failed(Failure { reason, message: message.into() }),
            message: None,
            stop: StopReason::Stop,
            model: String::new(),
            usage: Usage::default(),
        }
    }

    /// The end of a run that nobody waits for any more; `said` is what had been streamed of an unfinished answer.
    pub fn aborted(said: &str) -> Self {
        Self {
            ending: Ending::Aborted,
            message: (!said.is_empty()).then(|| Message::assistant(said)),
            stop: StopReason::Stop,
            model: String::new(),
            usage: Usage::default(),
        }
    }
}
