//! The one storage boundary of Regrow: all state that must survive a replica goes through [`Store`].
//!
//! One method is one intent, one transaction, one invariant. Every back-end implements the same methods in files of
//! the same names, and `tests/conformance` decides what a store is.
//!
//! Three rules hold everywhere. A write is accepted only from the replica that holds the lease of the session, and only
//! on top of the log that this replica has seen ([`Guard`]). An acknowledged write survives the death of the process.
//! Hints between replicas make things fast, never right.

mod accept;
mod entry;
mod error;
mod examination;
mod former;
mod hint;
mod lane;
mod layer;
mod replica;
mod retention;
mod run;
mod schedule;
mod session;
mod sightings;
mod store;

pub mod postgres;
pub mod sqlite;

pub use accept::{Accept, Accepted};
pub use entry::{LogEntry, NewEntry};
pub use error::{Error, WriteError};
pub use examination::{Examination, Finding, Level};
pub use former::{Former, Loss};
pub use hint::Hint;
pub use lane::{Claimed, Control, Finish, Finished, Guard, InboxMessage};
pub use layer::{Layer, Over};
pub use replica::{Beat, Liveness, Load, OwnedLane, Reaped, Replica, ReplicaView};
pub use retention::{Pruned, Retention};
pub use run::{RunEnd, RunState, RunStatus, RunView, RunningView};
pub use schedule::{Due, Fired, Firing, FiringOutcome, LastFiring, Next, Schedule, ScheduleView, Tick};
pub use session::{Reset, SessionView};
pub use store::Store;
