//! Where a server is, and who may do everything there.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_postgres::{Client, Config, NoTls};
use url::Url;

use super::database::Database;
use super::template::USER;

/// The longest time to connect: a server of a test is near.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The database that every server has.
pub(super) const MAINTENANCE: &str = "postgres";

/// A server and its superuser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// The address in a URL such as `postgres://user:password@host:port`; a database in it does not matter.
    pub fn parse(url: &str) -> Result<Self> {
        let url = Url::parse(url).context("it is not a URL")?;
        url.host_str().context("it names no host")?;
        Ok(Self(url))
    }

    pub(super) fn local(port: u16, password: &str) -> Result<Self> {
        Self::parse(&format!("postgres://{USER}:{password}@{}:{port}", Ipv4Addr::LOCALHOST))
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        let mut url = self.0.clone();
        url.set_path(database);
        url.into()
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(5432)
    }

    /// The name of the superuser.
    pub fn user(&self) -> &str {
        self.0.username()
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        self.0.password().unwrap_or_default()
    }

    /// Its socket, as a proxy needs it.
    pub fn socket(&self) -> Result<SocketAddr> {
        let found = (self.host(), self.port()).to_socket_addrs().ok().and_then(|mut found| found.next());
        found.with_context(|| format!("no address is known of {}", self.host()))
    }

    /// The same server behind another port of the loopback interface, such as a proxy's.
    pub fn at_port(&self, port: u16) -> Result<Self> {
        let mut url = self.0.clone();
        url.set_host(Some(&Ipv4Addr::LOCALHOST.to_string()))?;
        url.set_port(Some(port)).ok().context("such a URL has no port")?;
        Ok(Self(url))
    }

    /// Connects to a database. The connection ends when the client is dropped; if it ends before that, the client's
    /// calls say so.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        let mut config: Config = self.url(database).parse()?;
        config.connect_timeout(CONNECT_LIMIT);
        let (client, connection) = config
            .connect(NoTls)
            .await
            .with_context(|| format!("cannot connect to {}:{}", self.host(), self.port()))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Creates an empty database, which is dropped with what is returned.
    pub async fn create_database(&self) -> Result<Database> {
        Database::create_at(self.clone()).await
    }
}
