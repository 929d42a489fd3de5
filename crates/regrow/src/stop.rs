//! What asks the program to end: SIGTERM, SIGINT, and for a replica that is somebody's child the end of its input.
//!
//! A supervisor that is killed can ask for nothing any more. The system closes its pipes all the same, and that is what
//! a child with [`STOP_WITH_STDIN`] goes by.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::replica_process::STOP_WITH_STDIN;

/// The requests to end.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    /// Resolves when standard input has ended.
    input: Option<oneshot::Receiver<()>>,
    /// A signal that may still come belongs to a request that was heard already.
    one_is_known: bool,
}

impl Stop {
    /// Listens for signals, and to the parent if the environment says so.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let watched = std::env::var_os(STOP_WITH_STDIN).is_some_and(|value| value == "1");
        let input = if watched { Some(end_of_input()?) } else { None };
        Ok(Self { terminate, interrupt, input, one_is_known: false })
    }

    /// Waits for the next request. The end of the input and a signal are one request, in whichever order they come: who
    /// lets go of a child that a signal has reached as well (Ctrl-C reaches both) is in no hurry.
    pub(crate) async fn next(&mut self) {
        let input = self.input.take();
        let ended = async {
            match input {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = signalled(&mut self.terminate, &mut self.interrupt) => {}
            () = ended => {
                self.one_is_known = true;
                return;
            }
        }
        if std::mem::take(&mut self.one_is_known) {
            signalled(&mut self.terminate, &mut self.interrupt).await;
        }
    }
}

async fn signalled(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Resolves when standard input has ended or cannot be read. What comes in is of no interest. The thread that reads may
/// block for ever, so it is none of the runtime's, whose end would wait for it.
fn end_of_input() -> anyhow::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    let read = move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = sender.send(());
    };
    std::thread::Builder::new().name("parent".to_owned()).spawn(read).context("cannot watch the input")?;
    Ok(receiver)
}
