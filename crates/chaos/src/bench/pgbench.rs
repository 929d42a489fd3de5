//! `pgbench`: how many commits a PostgreSQL server makes in a second, with nothing but one small row in each, and with
//! transactions of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regrow_testbed::postgres::{Database, Installation};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// One row in a commit.
const SCRIPT: &str =
    "INSERT INTO rows (body) VALUES ('a row as small as a commit can have that is of any use');\n";

/// What is committed.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// One small row.
    Row,
    /// A transaction as `pgbench` makes them if nothing is said, which is that of TPC-B: three updates, a look and a row.
    Own,
}

/// How it commits.
const LOAD: &[&str] = &["--no-vacuum", "--protocol=prepared", "--jobs=2"];

/// The shortest time that it takes to tell a rate from the making of connections.
const SECONDS: u64 = 2;

/// The table that it goes to.
const TABLE: &str =
    "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)";

/// A database that is only written to by `pgbench`.
pub(super) struct Pgbench {
    installation: Installation,
    database: Database,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ran {
    pub(super) commits: u64,
    pub(super) per_second: f64,
}

impl Pgbench {
    pub(super) async fn prepare(database: Database) -> Result<Self> {
        let installation = tokio::task::spawn_blocking(Installation::find).await??;
        database.connect().await?.batch_execute(TABLE).await?;
        let pgbench = Self { installation, database };
        pgbench.call(&["--initialize", "--quiet", "--scale=10"], "").await?;
        Ok(pgbench)
    }

    /// Commits for a while, with so many clients.
    pub(super) async fn run(&self, what: What, clients: usize, time: Duration) -> Result<Ran> {
        let clients = clients.to_string();
        // Whole seconds is all that it knows.
        let seconds = time.as_secs().max(SECONDS).to_string();
        let (file, script): (&[&str], _) = match what {
            What::Row => (&["--file=-"], SCRIPT),
            What::Own => (&[], ""),
        };
        let arguments = [LOAD, file, &["--client", clients.as_str(), "--time", seconds.as_str()]].concat();
        let said = self.call(&arguments, script).await?;
        Ran::read(&said).with_context(|| format!("pgbench says no rate:\n{said}"))
    }

    /// Calls it and returns what it says.
    async fn call(&self, arguments: &[&str], script: &str) -> Result<String> {
        let server = self.database.server();
        let mut command = Command::from(self.installation.command("pgbench"));
        command
            .args(arguments)
            .args(["--host", server.host(), "--port", &server.port().to_string()])
            .args(["--username", server.user(), self.database.name()])
            .env("PGPASSWORD", server.password())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut running = command.spawn().context("cannot run pgbench, which comes with PostgreSQL")?;
        let mut input = running.stdin.take().context("pgbench takes no script")?;
        input.write_all(script.as_bytes()).await?;
        drop(input);
        let output = running.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("pgbench: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(said)
    }
}

impl Ran {
    /// Reads what `pgbench` prints.
    fn read(said: &str) -> Option<Self> {
        let number =
            |prefix| said.lines().find_map(|line| line.strip_prefix(prefix))?.split_whitespace().next();
        let commits = number("number of transactions actually processed: ")?.parse().ok()?;
        // Where not even the connections were made in time, there is no rate.
        let per_second = if commits == 0 { 0.0 } else { number("tps = ")?.parse().ok()? };
        Some(Self { commits, per_second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let said = "number of transactions actually processed: 10246\nlatency average = 1.2 ms\ntps = 5123.25 (without \
                    initial connection time)\n";
        assert_eq!(Ran::read(said), Some(Ran { commits: 10_246, per_second: 5_123.25 }));
        let none = "number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n";
        assert_eq!(Ran::read(none), Some(Ran { commits: 0, per_second: 0.0 }));
        assert_eq!(Ran::read(""), None);
    }
}
