//! The process that ends a server when its owner ends, however that happens.
//!
//! It is a shell that starts the server and holds a pipe whose other end only the owner has. When that end closes, be
//! it by a drop or because the owner was killed, it stops the server at once and removes its directory. When the server
//! ends by itself, so does the supervisor, and the directory stays for a restart.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use tokio::sync::watch;

/// `$1` is the directory, and what follows is the server's command. A shell lets what it starts in the background
/// ignore SIGQUIT until the server has a handler of its own, so the signal is repeated.
const SCRIPT: &str = r#"
home=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
end() {
  trap '' TERM
  while kill -QUIT "$server" 2>/dev/null; do sleep 0.1; done
  rm -rf "$home"
  exit 0
}
trap end TERM
(trap - TERM; read -r _; kill -TERM $$) <&3 &
owner=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$owner" 2>/dev/null
exit "$status"
"#;

/// A supervisor of a running server. Dropping it stops the server and removes its directory, without waiting for either.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// The owner's end of the pipe: it is never written to.
    _owner: ChildStdin,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Supervisor {
    /// Starts a server and its supervisor. `shell` runs `sh` as the user of the server, which owns `home`.
    pub(super) fn spawn(mut shell: Command, home: &Path, log: File, server: &Command) -> Result<Self> {
        shell.args(["-c", SCRIPT, "supervisor"]).arg(home).arg(server.get_program()).args(server.get_args());
        shell.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // Who ends the owner's group (a terminal, a test runner) ends the owner, and with it the server, in order.
        shell.process_group(0);
        let mut child = shell.spawn().context("cannot run sh")?;
        let owner = child.stdin.take().context("the child has no input")?;
        let (tell, ended) = watch::channel(None);
        // A thread and not a task: the server may outlive the runtime that started it.
        std::thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            tell.send_replace(child.wait().ok());
        })?;
        Ok(Self { _owner: owner, ended })
    }

    /// Waits until the server has ended by itself or by a signal.
    pub(super) async fn ended(&mut self) -> Option<ExitStatus> {
        self.ended.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }

    /// Whether the server has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some() || self.ended.has_changed().is_err()
    }
}
