//! Development only: real servers and real faults for tests.
//!
//! [`postgres`] starts throw-away PostgreSQL servers, which can crash, come back and have standbys, and makes databases
//! for tests on one of them; [`proxy`] is a network in front of a server that breaks; [`soon`] and [`until`] await what must
//! happen. It knows nothing of Regrow, so every crate may use it in its tests.

mod patience;
pub mod postgres;
pub mod proxy;

pub use patience::{soon, until};
