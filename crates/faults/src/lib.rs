//! Development only: stores that go wrong on purpose.
//!
//! A fault is a layer over a sound [`Store`](regrow_store::Store), never a change to one: nothing of it is in the
//! program that ships, and every back-end meets the same faults. [`Intercepted`] meets every call before and after it is
//! carried out; [`Mutant`] names protocols that are broken in one way each, to show that what judges a store can fail;
//! [`FailPoint`] ends or stops the process, fails a call or loses its answer at a named boundary.

mod fail_point;
mod intent;
mod intercept;
mod mutant;

pub use fail_point::{Effect, FailPoint, FailPoints, MET, Moment, Point};
pub use intent::Intent;
pub use intercept::{Afterwards, Call, Intercept, Intercepted};
pub use mutant::Mutant;
