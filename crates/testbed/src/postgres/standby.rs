//! Standbys: a server that follows another one, and takes its place.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::data::Data;
use super::server::{Server, blocking};
use super::template;

/// The longest time for a standby to catch up, and to be promoted.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a standby is asked how far it is; no version to be supported tells by itself.
const POLL: Duration = Duration::from_millis(10);

impl Server {
    /// Copies this running server to a new one that streams from it and answers reading queries.
    pub async fn standby(&self) -> Result<Server> {
        let (installation, address) = (self.installation().clone(), self.address().clone());
        let copied = blocking(move || {
            let data = Data::new(template::new_directory(&installation)?);
            let mut copy = installation.command("pg_basebackup");
            // The connection that is written into the standby's settings is this one, with its password.
            copy.arg("--pgdata").arg(data.path()).arg("--dbname").arg(address.url("postgres"));
            copy.args([
                "--write-recovery-conf",
                "--wal-method",
                "stream",
                "--checkpoint",
                "fast",
                "--no-sync",
            ]);
            installation.run(&mut copy)?;
            Ok((installation, data))
        });
        let (installation, data) = copied.await.context("cannot copy the server")?;
        Server::start_on(installation, data, self.password(), self.settings().to_vec()).await
    }

    /// Makes a standby a server that is written to; it has become one when this returns.
    pub async fn promote(&self) -> Result<()> {
        let query = "SELECT pg_promote(wait => true, wait_seconds => $1)";
        let limit = i32::try_from(LIMIT.as_secs())?;
        let promoted: bool = self.connect().await?.query_one(query, &[&limit]).await?.get(0);
        ensure!(promoted, "the standby was not promoted within {LIMIT:?}");
        Ok(())
    }

    /// Whether it is a standby, which can only be read.
    pub async fn is_in_recovery(&self) -> Result<bool> {
        Ok(self.connect().await?.query_one("SELECT pg_is_in_recovery()", &[]).await?.get(0))
    }

    /// Waits until this standby shows all that `primary` has committed by now.
    pub async fn wait_until_caught_up(&self, primary: &Server) -> Result<()> {
        let position = "SELECT pg_current_wal_flush_lsn()::text";
        let position: String = primary.connect().await?.query_one(position, &[]).await?.get(0);
        let standby = self.connect().await?;
        let query = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let caught_up = timeout(LIMIT, async {
            while !standby.query_one(query, &[&position]).await?.get::<_, bool>(0) {
                ticks.tick().await;
            }
            anyhow::Ok(())
        });
        caught_up.await.with_context(|| format!("the standby is not at {position} after {LIMIT:?}"))?
    }
}
