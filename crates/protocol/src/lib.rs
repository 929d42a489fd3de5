//! The vocabulary of Regrow and the wire types of its interfaces.
//!
//! Everything here is data: no I/O, no clock, no runtime. Other crates agree on these types, so a change here is a
//! change of an interface or of something persisted; both must stay readable by the previous release.

mod conversation;
mod entry_kind;
mod id;
mod message;
mod request;
mod session_key;
mod trace_context;

pub mod openai;

pub use conversation::{Conversation, Holder, Settled, Shared};
pub use entry_kind::EntryKind;
pub use id::{Epoch, ReplicaId, RunId, ScheduleId, Seq, SessionId};
pub use message::{Message, Part, RawTurn, StopReason, ToolCall, Usage};
pub use request::{Sampling, ToolChoice, ToolSpec};
pub use session_key::{SessionKey, SessionKeyError};
pub use trace_context::{TraceContext, TraceParent};
