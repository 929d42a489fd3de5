//! Development only: real servers and real faults for tests.
//!
//! [`postgres`] starts throw-away PostgreSQL servers, which can crash, come back and have standbys, and makes databases
//! for tests on one of them; [`proxy`] is a network in front of a server that breaks. It knows nothing of Regrow, so every
//! crate may use it in its tests.

pub mod postgres;
pub mod proxy;
