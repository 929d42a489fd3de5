//! An empty database of its own for each test.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::address::{Address, MAINTENANCE};
use super::shared::shared;

/// How long dropping may take; what stays then goes with the server. Who drops stands still meanwhile, and the server waits
/// for every connection that is being made: for one of the same thread it would wait for ever.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// A database. Dropping this drops it on the server, whoever is still connected.
#[derive(Debug)]
pub struct Database {
    address: Address,
    name: String,
}

impl Database {
    /// Creates an empty database on the shared server.
    pub async fn create() -> Result<Self> {
        shared().await?.create_database().await
    }

    pub(super) async fn create_at(address: Address) -> Result<Self> {
        let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(16).collect();
        let name = format!("test_{}", random.to_ascii_lowercase());
        let server = address.connect(MAINTENANCE).await?;
        // Nobody is connected to this template, and it is the same on every server. Since version 15, copying it goes
        // through the log, which for a small one is fast.
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
        server.batch_execute(&create).await.context("cannot create a database")?;
        Ok(Self { address, name })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.address.url(&self.name)
    }

    /// Its URL behind another port of the loopback interface, such as a proxy's.
    pub fn url_at_port(&self, port: u16) -> Result<String> {
        Ok(self.address.at_port(port)?.url(&self.name))
    }

    /// The server that it is on.
    pub fn server(&self) -> &Address {
        &self.address
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects to it, to see what is behind an interface.
    pub async fn connect(&self) -> Result<Client> {
        self.address.connect(&self.name).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (address, name) = (self.address.clone(), self.name.clone());
        // A thread with a runtime of its own works inside and outside of any other runtime.
        let dropped = std::thread::spawn(move || drop_database(&address, &name)).join();
        if let Ok(Err(error)) = dropped {
            eprintln!("the database {} stays: {error:#}", self.name);
        }
    }
}

fn drop_database(address: &Address, name: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dropped = async {
        // A server that is gone has taken its databases along.
        let Ok(server) = address.connect(MAINTENANCE).await else { return Ok(()) };
        server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await
    };
    let dropped = runtime.block_on(async { timeout(DROP_LIMIT, dropped).await });
    Ok(dropped.context("the server does not answer")??)
}
