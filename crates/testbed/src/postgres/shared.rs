//! The server for tests that only need a database.

use anyhow::{Context, Result};
use tokio::sync::OnceCell;

use super::address::Address;
use super::server::Server;

/// Names the URL of a superuser on a server that all test processes share; the task that runs all tests sets it.
pub const VARIABLE: &str = "REGROW_TEST_POSTGRES";

/// Settings of a server that tests share. Nothing on it has to survive the machine, and tests of durability start
/// servers of their own; without `fsync` a database is made and dropped several times as fast.
pub const SETTINGS: [(&str, &str); 2] = [("fsync", "off"), ("max_connections", "500")];

static PRIVATE: OnceCell<Server> = OnceCell::const_new();

/// The server that [`VARIABLE`] names, else one of this process, which is started once and ends with the process.
pub async fn shared() -> Result<Address> {
    if let Ok(url) = std::env::var(VARIABLE) {
        return Address::parse(&url)
            .with_context(|| format!("{VARIABLE}: it must be postgres://user:password@host:port"));
    }
    Ok(PRIVATE.get_or_try_init(|| Server::start_with(&SETTINGS)).await?.address().clone())
}
