//! Schedules: when an agent is spoken to by the clock, and what is said.
//!
//! A [`Job`] is one schedule in OpenClaw's JSON; its [`Timing`] knows the times; [`plan`] decides what becomes of one
//! tick. All of it is a pure function of the times that it is given (milliseconds since 1970), so every replica comes to
//! the same result. What makes a tick happen once is the store.

mod cron;
mod duration;
mod job;
mod moment;
mod plan;
mod timing;
mod zone;

pub use duration::parse_duration;
pub use job::{Job, Missed, Payload};
pub use moment::parse_moment;
pub use plan::{Plan, plan};
pub use timing::{MIN_EVERY_MS, Timing};
pub use zone::zone;

/// Why something is not a schedule, in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) String);
