//! `pgbench`: how many commits a PostgreSQL server makes in a second, with nothing but one small row in each.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regrow_testbed::postgres::{Database, Installation};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// One row in a commit.
const SCRIPT: &str =
    "INSERT INTO rows (body) VALUES ('a row as small as a commit can have that is of any use');\n";

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
        Ok(Self { installation, database })
    }

    /// Commits for a while, with so many clients.
    pub(super) async fn run(&self, clients: usize, time: Duration) -> Result<Ran> {
        let (server, clients) = (self.database.server(), clients.to_string());
        // Whole seconds is all that it knows.
        let seconds = time.as_secs().max(SECONDS).to_string();
        let mut command = Command::from(self.installation.command("pgbench"));
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--file=-"])
            .args(["--client", &clients, "--time", &seconds])
            .args(["--host", server.host(), "--port", &server.port().to_string()])
            .args(["--username", server.user(), self.database.name()])
            .env("PGPASSWORD", server.password())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut running = command.spawn().context("cannot run pgbench, which comes with PostgreSQL")?;
        let mut script = running.stdin.take().context("pgbench takes no script")?;
        script.write_all(SCRIPT.as_bytes()).await?;
        drop(script);
        let output = running.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stdout);
        match Ran::read(&said) {
            Some(ran) if output.status.success() => Ok(ran),
            _ => bail!("pgbench: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
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
