//! Where replicas keep what must survive: a SQLite file of their own, or a database of their own on a PostgreSQL server.
//!
//! A server that is started for the purpose has PostgreSQL's own defaults of durability: every commit waits for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use regrow_testbed::postgres::{Address, Database, Server};
use serde_json::Value;

use crate::cluster::{self, Cluster};
use crate::model_server;

/// Settings of a server that is started: enough memory that it reads no table from the disk again and again, and
/// connections for all replicas of all rows of a part.
const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "256MB"), ("max_connections", "400")];

/// Replicas to be started, and their store.
#[derive(Debug, Clone)]
pub struct Started {
    /// The `regrow` program.
    pub binary: PathBuf,
    /// Where they keep what must survive.
    pub place: Place,
}

/// The kind of store, and its server if it has one.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// A file in the state directory of the replicas.
    #[default]
    Sqlite,
    /// A database on this server.
    Postgres(Arc<Postgres>),
}

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    address: Address,
    version: String,
    /// The server, if it was started for the purpose.
    started: Option<Server>,
}

/// Replicas that run, with their database. They end before it is dropped.
pub(super) struct Replicas {
    pub(super) cluster: Cluster,
    _database: Option<Database>,
}

impl Place {
    /// The PostgreSQL server of this URL, whose user may create databases; without one, a server is started.
    pub async fn postgres(url: Option<&str>) -> Result<Self> {
        let (address, started) = match url {
            Some(url) => (Address::parse(url).context("the URL of PostgreSQL")?, None),
            None => {
                let server = Server::start_with(&SETTINGS).await?;
                (server.address().clone(), Some(server))
            }
        };
        let database = address.create_database().await?;
        let client = database.connect().await?;
        let version = client.query_one("SELECT current_setting('server_version')", &[]).await?.get(0);
        Ok(Self::Postgres(Arc::new(Postgres { address, version, started })))
    }

    /// The server, if the store has one.
    pub(super) fn server(&self) -> Option<&Postgres> {
        match self {
            Self::Sqlite => None,
            Self::Postgres(postgres) => Some(postgres),
        }
    }

    /// What the replicas keep, for the report.
    pub(super) fn describe(&self) -> String {
        self.server().map_or_else(|| "SQLite".to_owned(), |server| format!("PostgreSQL {}", server.version))
    }

    /// Starts replicas on an empty store.
    pub(super) async fn start(
        &self,
        binary: &Path,
        replicas: usize,
        model: &model_server::Server,
        extra_config: Value,
    ) -> Result<Replicas> {
        let database = match self.server() {
            Some(server) => Some(server.create_database().await?),
            None => None,
        };
        let options = cluster::Options {
            replicas,
            extra_config,
            store: database.as_ref().map(Database::url),
            ..cluster::Options::new(binary.to_owned(), model.base_url())
        };
        Ok(Replicas { cluster: Cluster::start(options).await?, _database: database })
    }
}

impl Postgres {
    /// An empty database, which is dropped with what is returned.
    pub(super) async fn create_database(&self) -> Result<Database> {
        self.address.create_database().await
    }

    /// Processor time of the server so far; none for one that was running.
    pub(super) fn processor_time(&self) -> Result<Option<Duration>> {
        self.started.as_ref().map(Server::processor_time).transpose()
    }
}
