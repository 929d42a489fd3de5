//! PgBouncer in front of a server: many clients share few connections, transaction by transaction.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::address::Address;
use super::installation::Installation;
use super::server::{blocking, free_port};
use super::template;

/// The longest time to start.
const LIMIT: Duration = Duration::from_secs(20);

/// How often it is tried whether it listens; it tells nobody.
const POLL: Duration = Duration::from_millis(10);

/// Where Debian puts it, which need not be on `PATH`.
const USUAL: &str = "/usr/sbin/pgbouncer";

/// Ends the pooler and removes its directory, `$1`, when the owner is gone: then the input ends.
const SCRIPT: &str = r#"
home=$1; shift
"$@" </dev/null &
pooler=$!
read -r _
kill -TERM "$pooler"
wait "$pooler"
rm -rf "$home"
"#;

/// A pooler. Dropping it ends it, and so does the end of this process.
#[derive(Debug)]
pub struct Pooler {
    address: Address,
    shell: Child,
    /// The owner's end of the pipe: it is never written to.
    owner: Option<ChildStdin>,
}

impl Pooler {
    /// The program, if it is installed.
    pub fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).map(|directory| directory.join("pgbouncer"));
        directories.chain([PathBuf::from(USUAL)]).find(|program| program.is_file())
    }

    /// Starts a pooler that gives each transaction one of at most `connections` to each database of the server.
    pub async fn start(server: &Address, connections: usize) -> Result<Self> {
        let program = Self::program().context("PgBouncer is missing: `cargo xtask test` installs it")?;
        let port = free_port()?;
        let address = server.at_port(port)?;
        let settings = settings(server, port, connections);
        let users = format!("\"{}\" \"{}\"\n", server.user(), server.password());
        let started = blocking(move || start(&program, &settings, &users));
        let (mut shell, log) = started.await?;
        let owner = shell.stdin.take();
        let pooler = Self { address, shell, owner };
        let listens = timeout(LIMIT, async {
            let mut ticks = interval(POLL);
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                ticks.tick().await;
            }
        });
        if listens.await.is_err() {
            bail!("PgBouncer does not listen:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        Ok(pooler)
    }

    /// The URL of a database behind it.
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.owner = None;
        // What it waits for is in the script.
        drop(self.shell.wait());
    }
}

fn settings(server: &Address, port: u16, connections: usize) -> String {
    format!(
        "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = scram-sha-256\nauth_file = users.txt\npool_mode = transaction\ndefault_pool_size = {connections}\n\
         max_client_conn = 500\nlogfile = pooler.log\n",
        server.host(),
        server.port(),
        Ipv4Addr::LOCALHOST
    )
}

fn start(program: &Path, settings: &str, users: &str) -> Result<(Child, PathBuf)> {
    let installation = Installation::find()?;
    let home = template::new_directory(&installation)?.keep();
    for (name, text) in [("pooler.ini", settings), ("users.txt", users)] {
        let path = home.join(name);
        fs::write(&path, text)?;
        installation.own_private(&path)?;
    }
    let mut shell = installation.foreign_command(Path::new("sh"));
    shell.args(["-c", SCRIPT, "pooler"]).arg(&home).arg(program).arg("--quiet").arg("pooler.ini");
    let shell = shell.current_dir(&home).stdin(Stdio::piped()).spawn().context("cannot run sh")?;
    Ok((shell, home.join("pooler.log")))
}
