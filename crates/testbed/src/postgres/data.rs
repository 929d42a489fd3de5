//! The directory of one server: its settings, its log, and the file by which its main process tells how it is.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Pid;
use tempfile::TempDir;
use tokio::time::{MissedTickBehavior, interval};

/// How often the server's state is looked at. It tells it in a file, as PostgreSQL's own tools read it.
const POLL: Duration = Duration::from_millis(5);

/// How much of the log a failure shows.
const TAIL_LINES: usize = 40;

/// Settings of every server, which a test may override: as little memory as does, and enough connections and history
/// for replicas and standbys that come and go.
const SETTINGS: [(&str, &str); 6] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("shared_buffers", "32MB"),
    ("max_connections", "200"),
    ("wal_keep_size", "256MB"),
    ("log_line_prefix", "%m [%p] %d "),
];

/// The directory of a server.
#[derive(Debug)]
pub(super) struct Data {
    home: Option<TempDir>,
    path: PathBuf,
}

impl Data {
    pub(super) fn new(home: TempDir) -> Self {
        Self { path: home.path().to_owned(), home: Some(home) }
    }

    pub(super) fn home(&self) -> &Path {
        &self.path
    }

    /// What PostgreSQL calls the data directory.
    pub(super) fn path(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Leaves the removal of the directory to somebody else.
    pub(super) fn leave(&mut self) {
        if let Some(home) = self.home.take() {
            self.path = home.keep();
        }
    }

    /// Adds settings; the last one of a name counts.
    pub(super) fn configure(&self, port: u16, settings: &[(String, String)]) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.path().join("postgresql.conf"))?;
        let common = SETTINGS.iter().map(|(name, value)| (*name, *value));
        let own = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in common.chain(own).chain([("port", port.to_string().as_str())]) {
            writeln!(file, "{name} = '{}'", value.replace('\\', r"\\").replace('\'', "''"))?;
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// The log, to be written to.
    pub(super) fn open_log(&self) -> Result<File> {
        OpenOptions::new().create(true).append(true).open(self.log()).context("cannot write the server's log")
    }

    /// The end of the log.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Removes what a server that has crashed last told of itself, lest it is taken for the next one's word.
    pub(super) fn forget_state(&self) -> Result<()> {
        match fs::remove_file(self.state()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("cannot remove the state")
            }
            _ => Ok(()),
        }
    }

    /// Waits until the server takes connections; returns the id of its main process.
    pub(super) async fn ready(&self) -> Pid {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(pid) = fs::read_to_string(self.state()).ok().as_deref().and_then(ready_pid) {
                return pid;
            }
        }
    }

    fn state(&self) -> PathBuf {
        self.path().join("postmaster.pid")
    }
}

/// The process id in a state file, if it says that the server takes connections.
fn ready_pid(state: &str) -> Option<Pid> {
    let mut lines = state.lines();
    let pid = lines.next()?.trim().parse().ok().and_then(Pid::from_raw);
    // Then come directory, start time, port, socket directory, address and memory key.
    lines.nth(6).filter(|state| state.trim() == "ready").and(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_takes_connections_is_ready() {
        let state = |last: &str| format!("4711\n/data\n1700000000\n5432\n\n127.0.0.1\n  99 3\n{last}");
        assert_eq!(ready_pid(&state("ready   \n")), Pid::from_raw(4711));
        for other in ["starting\n", "standby \n", "stopping\n", ""] {
            assert_eq!(ready_pid(&state(other)), None, "{other:?}");
        }
        assert_eq!(ready_pid(""), None);
    }
}
