//! PostgreSQL for tests: its programs are installed when they are missing, and one server serves a whole run.
//!
//! It takes a server of its own and leaves the system's alone: Debian's package is kept from creating one.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, Result};
use regrow_testbed::postgres::{Installation, Pooler, SHARED_SETTINGS, SHARED_VARIABLE, Server};

use crate::apt;
use crate::step::step;

/// What Debian's package reads before it creates a system-wide server, and what keeps it from that.
const CREATION: &str = "/etc/postgresql-common/createcluster.conf";
const NO_CREATION: &str = "create_main_cluster = false\n";

/// A server for a whole run: one that somebody has named, or a new one, which ends when this is dropped.
pub(crate) struct Shared(Option<Server>);

/// Makes sure that tests have what they need of PostgreSQL.
pub(crate) fn prepare() -> Result<()> {
    prepare_server()?;
    prepare_pooler()
}

/// Makes sure that there are programs to start a server with, unless a server is named already.
fn prepare_server() -> Result<()> {
    if !is_named() && Installation::find().is_err() {
        step("prepare PostgreSQL", || {
            install()?;
            let found = Installation::find()?;
            println!("    {}", found.version());
            Ok(())
        })?;
    }
    Ok(())
}

/// Tests behind a pooler are left out where there is none and this process may not install it.
fn prepare_pooler() -> Result<()> {
    if Pooler::program().is_some() {
        return Ok(());
    }
    if !apt::is_root() {
        println!("    PgBouncer is missing, so tests behind it are skipped: sudo apt-get install pgbouncer");
        return Ok(());
    }
    step("prepare PgBouncer", || {
        // What else there is to be tested does not depend on it.
        if let Err(error) = apt::install("PgBouncer", &["pgbouncer"]) {
            println!("    it cannot be installed, so tests behind it are skipped: {error:#}");
        }
        Ok(())
    })
}

impl Shared {
    /// Starts the server.
    pub(crate) fn start() -> Result<Self> {
        if is_named() {
            println!("    PostgreSQL is the one that {SHARED_VARIABLE} names");
            return Ok(Self(None));
        }
        step("start PostgreSQL", || Ok(Self(Some(start()?))))
    }

    /// The environment variable that names the server to tests.
    pub(crate) fn variable(&self) -> Option<(&'static str, String)> {
        self.0.as_ref().map(|server| (SHARED_VARIABLE, server.url("")))
    }
}

/// Serves in the foreground until the end of the input, or of this process.
pub(crate) fn serve() -> Result<()> {
    prepare_server()?;
    let server = start()?;
    println!("PostgreSQL for tests, until Ctrl-C or the end of the input. Nothing of it is kept.\n");
    println!("  {}\n", server.url("postgres"));
    println!("Tests use it, and start sooner, with\n");
    println!("  {SHARED_VARIABLE}={} cargo nextest run", server.url(""));
    // Ctrl-C needs nothing here: the server ends when this process does.
    stdin().read_to_end(&mut Vec::new()).context("cannot read the input")?;
    Ok(())
}

fn is_named() -> bool {
    std::env::var_os(SHARED_VARIABLE).is_some()
}

fn start() -> Result<Server> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Server::start_with(&SHARED_SETTINGS))
}

fn install() -> Result<()> {
    const WHAT: &str = "PostgreSQL";
    if !apt::is_root() {
        return apt::install(WHAT, &["postgresql"]);
    }
    // What is there already is somebody's choice. The package brings the file, and the server's package reads it.
    let chosen = Path::new(CREATION).exists();
    apt::install(WHAT, &["postgresql-common"])?;
    if !chosen {
        fs::write(CREATION, NO_CREATION).with_context(|| format!("cannot write {CREATION}"))?;
    }
    apt::install(WHAT, &["postgresql"])
}
