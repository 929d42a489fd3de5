//! The PostgreSQL of a cluster: a server of its own that survives crashes as a real one does, a standby to fail over to,
//! and a network in front of each replica that breaks.
//!
//! While there is a standby, every acknowledged commit is on it as well, so a fail-over loses nothing that anybody was
//! told. Without one, commits do not wait for it: the server is on its own.

use std::time::Duration;

use anyhow::{Context, Result};
use regrow_testbed::postgres::Server;
use regrow_testbed::proxy::Proxy;
use tokio::time::{interval, timeout};

/// The database of the replicas, which every server has.
const NAME: &str = "postgres";

/// Enough for replicas that come and go, and a standby that is back soon after its server is.
const SETTINGS: [(&str, &str); 2] = [("max_connections", "400"), ("wal_retrieve_retry_interval", "100ms")];

/// The longest time until a standby follows.
const LIMIT: Duration = Duration::from_secs(30);

/// How often it is looked whether a standby follows; the server tells nobody.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug)]
pub struct Database {
    server: Server,
    standby: Option<Server>,
    /// One for each replica.
    networks: Vec<Proxy>,
}

impl Database {
    /// Starts an empty server, and a network for each of so many replicas.
    pub async fn start(replicas: usize) -> Result<Self> {
        Self::start_with(replicas, &[]).await
    }

    /// The same with further settings of the server.
    pub async fn start_with(replicas: usize, settings: &[(&str, &str)]) -> Result<Self> {
        let server = Server::start_with(&[&SETTINGS, settings].concat()).await?;
        let target = server.address().socket()?;
        let mut networks = Vec::new();
        for _ in 0..replicas {
            networks.push(Proxy::start(target).await?);
        }
        Ok(Self { server, standby: None, networks })
    }

    /// The URL of the database itself, past all networks.
    pub fn url(&self) -> String {
        self.server.url(NAME)
    }

    /// The URL by which each replica reaches the database.
    pub fn ways(&self) -> Result<Vec<String>> {
        let way = |network: &Proxy| Ok(self.server.address().at_port(network.port())?.url(NAME));
        self.networks.iter().map(way).collect()
    }

    /// One URL that names server and standby: whoever uses it finds the one that is written to.
    pub fn url_of_both(&self) -> Result<String> {
        let standby = self.standby.as_ref().context("there is no standby")?;
        let server = format!("{}:{}", self.server.host(), self.server.port());
        let both = format!("{server},{}:{}", standby.host(), standby.port());
        Ok(format!("{}?target_session_attrs=read-write", self.url().replace(&server, &both)))
    }

    /// The network between a replica and the database.
    pub fn network(&self, replica: usize) -> &Proxy {
        &self.networks[replica]
    }

    /// Makes a standby; from then on, what is acknowledged is on both.
    pub async fn add_standby(&mut self) -> Result<()> {
        let standby = self.server.standby().await?;
        // The copy must not have this setting: when it is a server itself, it has no standby yet.
        let client = self.server.connect().await?;
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await?;
        client.batch_execute("SELECT pg_reload_conf()").await?;
        let follows = async {
            let mut looks = interval(LOOK_EVERY);
            let query =
                "SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))";
            while !client.query_one(query, &[]).await?.get::<_, bool>(0) {
                looks.tick().await;
            }
            standby.wait_until_caught_up(&self.server).await
        };
        timeout(LIMIT, follows).await.with_context(|| format!("no standby follows after {LIMIT:?}"))??;
        self.standby = Some(standby);
        Ok(())
    }

    /// All processes of the server end at once; nothing is written.
    pub async fn crash(&mut self) -> Result<()> {
        self.server.crash().await
    }

    /// Starts the server again on its data.
    pub async fn restart(&mut self) -> Result<()> {
        self.server.restart().await
    }

    /// The standby takes the place of the server, which is gone for good.
    pub async fn promote(&mut self) -> Result<()> {
        let standby = self.standby.take().context("there is no standby")?;
        standby.promote().await?;
        let target = standby.address().socket()?;
        self.networks.iter().for_each(|network| network.retarget(target));
        self.server = standby;
        Ok(())
    }
}
