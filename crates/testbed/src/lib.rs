//! Development only: real servers and real faults for tests.
//!
//! [`postgres`] starts throw-away PostgreSQL servers, which can crash, come back and have standbys, and makes databases
//! for tests on one of them. It knows nothing of Regrow, so every crate may use it in its tests.

pub mod postgres;
