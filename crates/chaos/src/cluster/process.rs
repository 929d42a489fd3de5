//! One replica's process: how it is launched, how its readiness is learned, and how it is ended for certain.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval};

use super::{Options, config, logs};

/// How often the ready file is looked for. Between processes there is no event to await that works everywhere; one
/// look is one system call.
const READY_POLL: Duration = Duration::from_millis(2);

/// How every replica of a cluster is launched.
#[derive(Debug)]
pub(super) struct Launch {
    binary: PathBuf,
    directory: PathBuf,
    store: String,
    env: Vec<(String, String)>,
}

/// A replica's process. Dropping it kills the process and waits until it is dead.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: u32,
    spawned: Instant,
    log: PathBuf,
    ready_file: PathBuf,
    ready: Option<Ready>,
}

/// What a replica tells when it serves, and how long that took.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) address: String,
    pub(super) replica: String,
    #[serde(skip)]
    pub(super) after: Duration,
}

impl Launch {
    /// Writes the configuration into `directory`.
    pub(super) fn prepare(directory: &Path, options: &Options, token: &str) -> Result<Self> {
        fs::create_dir(directory.join("state"))?;
        fs::create_dir(directory.join("workspace"))?;
        let config = config::openclaw_json(directory, &options.model_base_url, token, &options.extra_config);
        fs::write(directory.join("openclaw.json"), format!("{config:#}"))?;
        let sqlite = || format!("sqlite:{}", directory.join("state/regrow.sqlite").display());
        Ok(Self {
            binary: options.binary.clone(),
            directory: directory.to_owned(),
            store: options.store.clone().unwrap_or_else(sqlite),
            env: options.env.clone(),
        })
    }

    /// Starts a process; `name` names its log and its ready file.
    pub(super) fn spawn(&self, name: &str) -> Result<Process> {
        let log = self.directory.join(format!("{name}.log"));
        let ready_file = self.directory.join(format!("{name}.ready"));
        let output = File::create(&log)?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .arg("--config")
            .arg(self.directory.join("openclaw.json"))
            .arg("--state-dir")
            .arg(self.directory.join("state"))
            .args(["--store", &self.store, "--port", "0", "--bind", "loopback"])
            .env("REGROW_READY_FILE", &ready_file)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let spawned = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        let pid = child.id().context("the child has no process id")?;
        Ok(Process { child, pid, spawned, log, ready_file, ready: None })
    }
}

impl Process {
    /// Waits until the replica serves; the error is its early exit.
    pub(super) async fn await_ready(&mut self) -> Result<()> {
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

    pub(super) fn ready(&self) -> Result<&Ready> {
        self.ready.as_ref().context("the replica has not been ready yet")
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The end of the process's log.
    pub(super) fn log(&self) -> String {
        logs::end_of(&self.log)
    }

    /// Kills and reaps the process.
    pub(super) async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    pub(super) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        // A signal takes effect a little later; an exit in between ends the wait too.
        if let Some(pid) = to_pid(self.pid) {
            waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        }
        Ok(())
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    pub(super) fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Waits for the end of the process, whatever ends it.
    pub(super) async fn exited(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Sends a signal; an error if the process has been reaped, whose id could belong to another one by now.
    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().and_then(to_pid).context("the replica has exited")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Process {
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
