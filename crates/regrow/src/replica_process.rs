//! A replica as a child process: how it is launched, how its readiness is learned, and how it is ended for certain.
//!
//! A child never outlives who started it. Dropping a [`ReplicaProcess`] kills it; and because the parent may itself be
//! killed and drop nothing, every child is given a pipe as its standard input, whose other end only the parent has:
//! when that end closes, for whatever reason, the replica stops as after SIGTERM. Children stay in the process group of
//! their parent, so that who ends the group (a terminal, a test runner) ends them too.

pub mod logs;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Deserialize;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::OVERRIDES;

/// Names the file by which a replica tells that it serves.
pub(crate) const READY_FILE: &str = "REGROW_READY_FILE";

/// Set to `1`, it makes the end of standard input a request to stop.
pub(crate) const STOP_WITH_STDIN: &str = "REGROW_STOP_WITH_STDIN";

/// How often the ready file is looked for. Between processes there is no event to await that works everywhere; one
/// look is one system call.
const READY_POLL: Duration = Duration::from_millis(2);

/// How every replica of a cluster is launched.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The `regrow` program.
    pub program: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// The state directory that the replicas share.
    pub state_dir: PathBuf,
    /// The URL of the store that they share.
    pub store: String,
    /// Where their logs and ready files go.
    pub log_dir: PathBuf,
    /// Further environment variables.
    pub env: Vec<(String, String)>,
}

/// A replica's process. Dropping it kills the process and waits until it is dead.
#[derive(Debug)]
pub struct ReplicaProcess {
    child: Child,
    /// Kept apart from the child, because waiting for a child closes its input.
    input: Option<ChildStdin>,
    pid: u32,
    spawned: Instant,
    log: PathBuf,
    ready_file: PathBuf,
    ready: Option<Ready>,
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It does.
    Running,
    /// It stands still (SIGSTOP).
    Stopped,
    /// It has ended.
    Gone,
}

/// What a replica tells when it serves, and how long that took.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where it listens, such as `127.0.0.1:18789`.
    pub address: String,
    /// Where it serves those who watch, if anywhere.
    #[serde(default)]
    pub metrics: Option<String>,
    /// Its id in the store, new at each start.
    pub replica: String,
    /// From spawning to serving.
    #[serde(skip)]
    pub after: Duration,
}

impl Launch {
    /// Starts a process on a free port of the loopback interface, unless its own variables say otherwise; `name` names its
    /// log and its ready file. Variables of the environment that would change its configuration do not reach it.
    pub fn spawn(&self, name: &str) -> Result<ReplicaProcess> {
        let log = self.log_dir.join(format!("{name}.log"));
        let ready_file = self.log_dir.join(format!("{name}.ready"));
        let output = File::create(&log)?;
        let mut command = Command::new(&self.program);
        OVERRIDES.iter().flat_map(|(_, variables)| *variables).for_each(|name| {
            command.env_remove(name);
        });
        command
            .arg("serve")
            .arg("--config")
            .arg(&self.config)
            .arg("--state-dir")
            .arg(&self.state_dir)
            .args(["--store", &self.store, "--port", "0"])
            .env("REGROW_BIND", "loopback")
            .env(READY_FILE, &ready_file)
            .env(STOP_WITH_STDIN, "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output);
        let spawned = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let (pid, input) = (child.id().context("the child has no process id")?, child.stdin.take());
        Ok(ReplicaProcess { child, input, pid, spawned, log, ready_file, ready: None })
    }
}

impl ReplicaProcess {
    /// Waits until the replica serves; the error is its early exit.
    pub async fn await_ready(&mut self) -> Result<()> {
        let mut ticks = interval(READY_POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                status = self.child.wait() => bail!("it exited with {}", status?),
                _ = ticks.tick() => {}
            }
            // The file comes into being by a rename, so it is whole when it is there.
            if let Ok(text) = fs::read_to_string(&self.ready_file) {
                let mut ready: Ready = serde_json::from_str(&text)?;
                ready.after = self.spawned.elapsed();
                self.ready = Some(ready);
                return Ok(());
            }
        }
    }

    /// Whether the process runs, by what the system knows of it. It asks and does not wait.
    pub fn state(&self) -> Result<ProcessState> {
        let Some(pid) = self.child.id().and_then(to_pid) else { return Ok(ProcessState::Gone) };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid), options | WaitIdOptions::NOHANG)?;
        Ok(match status {
            Some(status) if status.stopped() => ProcessState::Stopped,
            Some(_) => ProcessState::Gone,
            None => ProcessState::Running,
        })
    }

    /// What the replica told when it was ready; an error before.
    pub fn ready(&self) -> Result<&Ready> {
        self.ready.as_ref().context("the replica has not been ready yet")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where the process's output goes.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The end of the process's log.
    pub fn log(&self) -> String {
        logs::end_of(&self.log)
    }

    /// Kills (SIGKILL) and reaps the process.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Stops the process in its tracks (SIGSTOP); it stands still when this returns.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        // A signal takes effect a little later; an exit in between ends the wait too.
        if let Some(pid) = to_pid(self.pid) {
            waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        }
        Ok(())
    }

    /// Lets a paused process go on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks the replica to drain and exit (SIGTERM).
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Asks the replica to drain and exit by closing its input. Unlike a signal this may come on top of one that the
    /// whole process group got: the replica still ends in order.
    pub fn release(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the process, whatever ends it.
    pub async fn exited(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Sends a signal; an error if the process has been reaped, whose id could belong to another one by now.
    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().and_then(to_pid).context("the replica has exited")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for ReplicaProcess {
    fn drop(&mut self) {
        // Only a child that has not been reaped has an id.
        let Some(pid) = self.child.id().and_then(to_pid) else { return };
        if self.child.start_kill().is_ok() {
            // Waits for the death only, which follows SIGKILL at once; the runtime reaps.
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok();
            self.child.try_wait().ok();
        }
    }
}

fn to_pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}
