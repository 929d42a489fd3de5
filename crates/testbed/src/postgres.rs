//! Throw-away PostgreSQL.
//!
//! A [`Server`] is a server of its own: it may crash, be restarted, and have standbys. A [`Database`] is an empty
//! database on a server that many tests share ([`shared`]), for tests that do nothing to the server. Both are gone when
//! their owner is, however it ended. It takes the server's binaries, version 14 or newer, on `PATH` or where Debian
//! puts them; whatever is missing is an error that says so.

mod account;
mod address;
mod data;
mod database;
mod installation;
mod pooler;
mod processor_time;
mod server;
mod shared;
mod standby;
mod supervisor;
mod template;
mod tls;

pub use address::Address;
pub use database::Database;
pub use installation::Installation;
pub use pooler::Pooler;
pub use server::Server;
pub use shared::{SETTINGS as SHARED_SETTINGS, VARIABLE as SHARED_VARIABLE, shared};
pub use tokio_postgres::Client;
