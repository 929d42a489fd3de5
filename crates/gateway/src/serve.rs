//! Accepting connections, and the order in which all of it ends.

use std::sync::Arc;
use std::time::Duration;

use regrow_worker::Worker;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::connection;
use crate::engine::Engine;
use crate::read_body::ROOM_UNIT;
use crate::{Options, Shutdown};

/// How long to wait when no connection can be accepted (the process has no file descriptors left, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many surplus connections are told so at a time, at some 10 KB each. More are closed without a word.
const TURNED_AWAY: usize = 1_024;

/// How long what is left to do may take after the last connection has gone: aborting the runs of clients that left.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// Serves until `shutdown` has gone through its stages; returns how many connections had to be dropped.
pub async fn serve(options: Options, worker: Worker, shutdown: Shutdown) -> usize {
    serve_on(options, worker, shutdown).await
}

/// [`serve`] over any engine.
pub(crate) async fn serve_on<E: Engine>(options: Options, engine: E, shutdown: Shutdown) -> usize {
    let (listener, app) = open(options, engine, shutdown.cut.clone());
    let hard = CancellationToken::new();
    accept(listener, &app, &shutdown, &hard).await;
    app.tasks.close();
    let deadline = async {
        shutdown.cut.cancelled().await;
        tokio::time::sleep(shutdown.grace).await;
    };
    tokio::select! {
        () = app.tasks.wait() => return 0,
        () = deadline => {}
    }
    let dropped = app.tasks.len();
    hard.cancel();
    if tokio::time::timeout(LAST_TASKS, app.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = app.tasks.len(), "tasks of the front door are left unfinished");
    }
    dropped
}

fn open<E>(options: Options, engine: E, cut: CancellationToken) -> (TcpListener, Arc<App<E>>) {
    let room = (options.limits.bodies_bytes / ROOM_UNIT).min(Semaphore::MAX_PERMITS);
    let app = App {
        engine,
        rules: options.rules,
        limits: options.limits,
        body_room: Arc::new(Semaphore::new(room)),
        tasks: TaskTracker::new(),
        cut,
        started: options.started,
        version: options.version,
    };
    (options.listener, Arc::new(app))
}

/// Accepts connections until `drain`.
async fn accept<E: Engine>(
    listener: TcpListener,
    app: &Arc<App<E>>,
    shutdown: &Shutdown,
    hard: &CancellationToken,
) {
    let room = Arc::new(Semaphore::new(app.limits.connections));
    let refusals = Arc::new(Semaphore::new(TURNED_AWAY));
    loop {
        let accepted = tokio::select! {
            () = shutdown.drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            // Small events must not wait for more; where it cannot be set, they do.
            let _ = stream.set_nodelay(true);
            let served = connection::drive(Arc::clone(app), stream, peer, shutdown.clone(), hard.clone());
            app.tasks.spawn(async move {
                served.await;
                drop(place);
            });
        } else {
            turn_away(stream, app, &refusals);
        }
    }
}

fn turn_away<E>(stream: TcpStream, app: &App<E>, refusals: &Arc<Semaphore>) {
    tracing::warn!(connections = app.limits.connections, "a connection was turned away: there are too many");
    let Ok(place) = Arc::clone(refusals).try_acquire_owned() else { return };
    app.tasks.spawn(async move {
        connection::turn_away(stream).await;
        drop(place);
    });
}

/// A client that left before it was accepted is its own matter; everything else will not be better at once.
async fn pause_after(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "connections cannot be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
