//! Takes changes of the configuration and of the files of its secrets while a replica serves.
//!
//! New files are read and checked as at a start. What is invalid is refused and reported, and the old configuration stays in
//! force as a whole. Of what is valid, everything takes effect at once but the keys that need a restart, which keep their
//! old values and are named in the log.
//!
//! Files are looked at again and again rather than watched by the system: that sees exchanged symbolic links, works on
//! every file system and in every container, and costs a few system calls. SIGHUP asks for a look at once.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use regrow_gateway::Rules;
use regrow_telemetry::Reload as Outcome;
use regrow_worker::Worker;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::serve::apply;
use crate::cli::{Common, Serve};
use crate::config::{self, Keys, Watched};
use crate::in_force::Kept;
use crate::logging::Level;
use crate::outcome::Unusable;
use crate::settings::Workshop;
use crate::state::State;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// For how long files must stay as they are before they are read: whoever writes several has not finished before.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

/// How often files are read again that change while they are read.
const TRIES: u32 = 10;

/// Whoever takes changes, with what they change.
pub(super) struct Reload {
    pub(super) common: Common,
    pub(super) serve: Serve,
    /// The configuration in force.
    pub(super) state: Arc<State>,
    /// Its keys as the files had them.
    pub(super) keys: Keys,
    /// The files that it was read from.
    pub(super) files: Vec<Watched>,
    pub(super) workshop: Workshop,
    pub(super) worker: Worker,
    pub(super) rules: Arc<Rules>,
    pub(super) level: Level,
    /// Where the replica serves, and where it says what is in force.
    pub(super) address: SocketAddr,
    pub(super) kept: Kept,
}

/// A configuration that was read and is valid.
struct Read {
    /// With the values of before for keys that need a restart.
    state: State,
    keys: Keys,
}

impl Reload {
    /// Starts to look, on a thread of its own: a file system that hangs holds up nothing else. It ends with the runtime.
    /// Returns a file to remove at the end.
    pub(super) fn start(mut self) -> anyhow::Result<PathBuf> {
        self.say_what_is_in_force();
        let kept = self.kept.path().to_owned();
        let (asks, asked) = channel();
        tokio::spawn(pass(listen()?, asks));
        let body = move || self.run(&asked);
        let thread = std::thread::Builder::new().name("configuration".to_owned()).spawn(body);
        thread.context("cannot watch the configuration")?;
        Ok(kept)
    }

    fn run(mut self, asked: &Receiver<()>) {
        let mut stale = BTreeSet::new();
        loop {
            match asked.recv_timeout(LOOK_EVERY) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) if !self.have_files_changed() => continue,
                Err(RecvTimeoutError::Timeout) => self.await_settled(asked),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            match self.read() {
                Ok(read) => self.take(read, &mut stale),
                Err(error) => self.refuse(&error),
            }
        }
    }

    fn have_files_changed(&self) -> bool {
        self.files.iter().any(|file| file.look_again() != *file)
    }

    /// Waits until nobody writes any more, or somebody asks.
    fn await_settled(&self, asked: &Receiver<()>) {
        let look = || self.files.iter().map(Watched::look_again).collect::<Vec<_>>();
        let mut before = look();
        for _ in 0..TRIES {
            let is_asked = asked.recv_timeout(SETTLED_AFTER).is_ok();
            let now = look();
            if std::mem::replace(&mut before, now.clone()) == now || is_asked {
                return;
            }
        }
    }

    /// Reads and checks the files as at a start, again if they change meanwhile.
    fn read(&mut self) -> anyhow::Result<Read> {
        for _ in 1..TRIES {
            let read = self.read_once();
            if !self.have_files_changed() {
                return read;
            }
        }
        self.read_once()
    }

    fn read_once(&mut self) -> anyhow::Result<Read> {
        let mut files = Vec::new();
        let opened = State::open_watched(&self.common, &mut files);
        self.files = files;
        let mut state = opened?;
        if let (Some(path), None) = (&self.state.config_path, &state.config_path) {
            return Err(Unusable(format!("{} is gone", path.display())).into());
        }
        let keys = state.keys(self.keys.salt());
        config::keep(&mut state.config, &self.state.config);
        // What the doors are open to counts, not what the file says they will be open to.
        apply(&mut state, &self.serve)?;
        Ok(Read { state, keys })
    }

    /// Lets a configuration take effect. `stale` are keys of which it was said before that they need a restart.
    fn take(&mut self, read: Read, stale: &mut BTreeSet<String>) {
        let Read { state, keys } = read;
        let (late, changed): (BTreeSet<_>, BTreeSet<_>) =
            self.keys.differing(&keys).into_iter().partition(|key| config::needs_restart(key));
        if !changed.is_empty()
            && let Err(error) = self.put_in_force(state, &changed)
        {
            return self.refuse(&error);
        }
        for key in late.difference(stale) {
            tracing::warn!(key, "this change needs a restart; the old value stays in force");
        }
        self.tell(Outcome::Applied { need_restart: late.len() });
        if changed.is_empty() {
            tracing::debug!("nothing has changed that can take effect now");
        } else {
            self.keys.take(&changed, &keys);
            self.say_what_is_in_force();
            let keys = changed.into_iter().collect::<Vec<_>>().join(", ");
            tracing::info!(keys, "the configuration has changed");
        }
        *stale = late;
    }

    fn put_in_force(&mut self, mut state: State, changed: &BTreeSet<String>) -> anyhow::Result<()> {
        let of_models = |key: &String| key.starts_with("models.") || key == "regrow.demoPaceMs";
        let settings = match changed.iter().any(of_models) {
            true => self.workshop.settings(&state)?,
            // Connections stay open, and what is known of providers that fail stays known.
            false => self.workshop.settings_with(&state, self.worker.models())?,
        };
        state.take_over_password(&self.state);
        self.worker.change(settings.worker);
        self.rules.change(settings.door);
        self.level.set(&state.config.logging);
        state.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        self.state = Arc::new(state);
        Ok(())
    }

    fn say_what_is_in_force(&mut self) {
        if let Err(error) = self.kept.tell(self.address, &self.keys) {
            tracing::warn!(%error, "`regrow config diff` cannot be told what is in force");
        }
    }

    fn refuse(&self, error: &anyhow::Error) {
        tracing::error!("the new configuration is refused and the old one stays in force: {error:#}");
        self.tell(Outcome::Refused);
    }

    fn tell(&self, outcome: Outcome) {
        if let Some(metrics) = &self.workshop.metrics {
            metrics.reloaded(outcome);
        }
    }
}

/// At a terminal, SIGHUP says that the terminal is gone, and ends the program as ever.
fn listen() -> anyhow::Result<Option<Signal>> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    signal(SignalKind::hangup()).map(Some).context("cannot listen for SIGHUP")
}

/// Passes signals on. Without any the thread still looks, for as long as this holds its other end.
async fn pass(signals: Option<Signal>, asks: Sender<()>) {
    let Some(mut signals) = signals else { return std::future::pending().await };
    while signals.recv().await.is_some() && asks.send(()).is_ok() {}
}
