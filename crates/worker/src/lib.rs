//! Claims sessions, drives their runs, keeps the lease: the imperative shell around the pure core of `regrow-agent`.
//!
//! A front door hands messages in with [`Worker::submit`] and reads replies with [`Worker::follow`], on any replica.
//! Everything that must survive is in the store; what this crate holds in memory (live drafts, cached transcripts) can
//! be lost at any time.

mod budget;
mod cache;
mod call;
mod claimer;
mod commits;
mod cursor;
mod drain;
mod drive;
mod follow;
mod in_force;
mod journal;
mod lease;
mod live;
mod membership;
mod options;
mod peer;
mod prompt;
mod retention;
mod run;
mod schedule;
mod setup;
mod submit;
mod traced;
mod worker;
mod write;

pub use cursor::Cursor;
pub use follow::{Follow, Update};
pub use in_force::InForce;
pub use options::{AgentProfile, Options, Settings};
pub use regrow_store::Error as StoreError;
pub use submit::{Submission, SubmitError, Ticket};
pub use worker::{Readiness, Slots, Worker};
