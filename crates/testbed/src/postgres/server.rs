//! A server of its own: it starts, crashes, comes back and stops when a test says so.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::address::{Address, MAINTENANCE};
use super::data::Data;
use super::database::Database;
use super::installation::Installation;
use super::processor_time;
use super::supervisor::Supervisor;
use super::template;

/// The longest time for a server to start, with recovery after a crash, and to stop.
const LIMIT: Duration = Duration::from_secs(60);

/// Ports of servers. They lie below those that systems give to outgoing connections, one of which could otherwise take
/// the port of a server that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before it is something else that is wrong.
const PORT_ATTEMPTS: usize = 20;

/// A running or stopped PostgreSQL server on a port of the loopback interface, with its data in a temporary directory.
/// Dropping it stops it at once and removes the data; so does the end of this process, unless the server is stopped at
/// that moment, when its directory is left behind.
#[derive(Debug)]
pub struct Server {
    installation: Installation,
    address: Address,
    settings: Vec<(String, String)>,
    data: Data,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    supervisor: Supervisor,
    postmaster: Pid,
}

impl Server {
    /// Starts an empty server.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts an empty server with settings of `postgresql.conf`, such as `("max_connections", "50")`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<Self> {
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let made = blocking(|| {
            let installation = Installation::find()?;
            let (home, password) = template::copy(&installation)?;
            Ok((installation, Data::new(home), password))
        });
        let (installation, data, password) = made.await?;
        Self::start_on(installation, data, &password, settings).await
    }

    /// Starts a server on existing data and a free port.
    pub(super) async fn start_on(
        installation: Installation,
        data: Data,
        password: &str,
        settings: Vec<(String, String)>,
    ) -> Result<Self> {
        let address = Address::local(free_port()?, password)?;
        let mut server = Self { installation, address, settings, data, running: None };
        for _ in 0..PORT_ATTEMPTS {
            server.data.configure(server.port(), &server.settings)?;
            match server.launch().await {
                // Somebody else was faster.
                Err(_) if server.data.log_tail().contains("Address already in use") => {
                    server.address = Address::local(free_port()?, password)?;
                }
                done => return done.map(|()| server),
            }
        }
        bail!("no port is free:\n{}", server.data.log_tail())
    }

    /// Where it is, and who may do everything there.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// The host, which is an address.
    pub fn host(&self) -> &str {
        self.address.host()
    }

    /// The port, which stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The name of the superuser.
    pub fn user(&self) -> &str {
        self.address.user()
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        self.address.password()
    }

    /// Connects to the database `postgres`, which every server has.
    pub async fn connect(&self) -> Result<Client> {
        self.address.connect(MAINTENANCE).await
    }

    /// Creates an empty database, which is dropped with what is returned.
    pub async fn create_database(&self) -> Result<Database> {
        self.address.create_database().await
    }

    /// Ends all processes of the server at once, as a crash of them would: nothing is written, connections break, and
    /// the next start recovers from the log.
    pub async fn crash(&mut self) -> Result<()> {
        self.end(Signal::QUIT).await
    }

    /// Stops the server in order: transactions are rolled back, connections closed, everything is on disk, and what
    /// standbys lack is sent.
    pub async fn stop(&mut self) -> Result<()> {
        self.end(Signal::INT).await
    }

    /// Starts the server again, on the same data and the same port; one that runs is stopped first.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.supervisor.has_ended())
    }

    /// Processor time that the server has used since its last start: that of its main process and of all others that it
    /// has started, also of those that have ended. It is known on Linux only.
    pub fn processor_time(&self) -> Result<Duration> {
        let running = self.running.as_ref().context("the server does not run")?;
        processor_time::of(running.postmaster)
    }

    pub(super) fn installation(&self) -> &Installation {
        &self.installation
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    async fn launch(&mut self) -> Result<()> {
        self.data.forget_state()?;
        let mut postgres = self.installation.command("postgres");
        postgres.arg("-D").arg(self.data.path());
        let shell = self.installation.foreign_command(Path::new("sh"));
        let mut supervisor = Supervisor::spawn(shell, self.data.home(), self.data.open_log()?, &postgres)?;
        let postmaster = tokio::select! {
            _ = supervisor.ended() => bail!("PostgreSQL ended when it started:\n{}", self.data.log_tail()),
            ready = timeout(LIMIT, self.data.ready()) => {
                ready.with_context(|| format!("PostgreSQL is not ready after {LIMIT:?}:\n{}", self.data.log_tail()))?
            }
        };
        self.running = Some(Running { supervisor, postmaster });
        Ok(())
    }

    async fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        if !running.supervisor.has_ended() {
            kill_process(running.postmaster, signal).context("cannot stop PostgreSQL")?;
        }
        let ended = timeout(LIMIT, running.supervisor.ended()).await;
        ended.with_context(|| format!("PostgreSQL runs on after {LIMIT:?}:\n{}", self.data.log_tail()))?;
        self.running = None;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervisor of a running server removes the directory, after the server's last write to it.
        if self.is_running() {
            self.data.leave();
        }
    }
}

/// A port that is free at this moment.
pub(super) fn free_port() -> Result<u16> {
    let mut candidates = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(PORT_ATTEMPTS);
    let free = candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.context("no port of the loopback interface is free")
}

/// Runs what blocks beside the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}
