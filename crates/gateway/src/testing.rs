//! A front door on an ephemeral port over an engine that does what a test tells it.

mod client;
mod fake;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::serve::serve_on;
use crate::{Auth, AuthRateLimit, Limits, Options, Rules, Settings, Shutdown};
pub(crate) use client::{Answer, Conversation};
pub(crate) use fake::{Event, Fake, done};

/// The secret of test doors that have one.
pub(crate) const SECRET: &str = "right";

/// Open to everybody, with two agents.
fn settings() -> Settings {
    Settings {
        auth: Auth::None,
        rate_limit: AuthRateLimit::default(),
        trusted_proxies: Vec::new(),
        agents: vec!["main".into(), "ops".into()],
        default_agent: "main".into(),
        model_known: Arc::new(|model| model == "acme/large"),
        chat_completions: true,
    }
}

/// A door that is open until it is dropped or closed.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Fake,
    pub(crate) rules: Arc<Rules>,
    pub(crate) shutdown: Shutdown,
    served: JoinHandle<usize>,
}

impl Door {
    /// A door without authentication.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// A door with changed options.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::with_grace(Duration::from_secs(5), change).await
    }

    /// A door with changed rules.
    pub(crate) async fn ruled(change: impl FnOnce(&mut Settings)) -> Self {
        let door = Self::open().await;
        door.change(change);
        door
    }

    /// Other rules than the usual ones from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = settings();
        change(&mut settings);
        self.rules.change(settings);
    }

    /// A door with changed options that waits for this long at its end.
    pub(crate) async fn with_grace(grace: Duration, change: impl FnOnce(&mut Options)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = Options {
            listener,
            rules: Rules::new(settings()),
            limits: Limits::default(),
            started: Instant::now(),
            version: "1.2.3",
        };
        change(&mut options);
        let (engine, rules) = (Fake::new(), Arc::clone(&options.rules));
        let shutdown = Shutdown { grace, ..Shutdown::default() };
        let served = tokio::spawn(serve_on(options, engine.clone(), shutdown.clone()));
        Self { address, engine, rules, shutdown, served }
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Conversation {
        Conversation::open(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, head: &str, body: &str) -> Answer {
        let mut conversation = self.connect().await;
        conversation.request(head, body).await;
        conversation.answer().await
    }

    /// A chat completion with these headers.
    pub(crate) async fn chat(&self, headers: &str, body: &str) -> Answer {
        self.ask(&format!("POST /v1/chat/completions HTTP/1.1\r\n{headers}"), body).await
    }

    /// Goes through all stages of the end; how many connections had to be dropped. After it, everything that the door
    /// began is done.
    pub(crate) async fn close(self) -> usize {
        self.shutdown.drain.cancel();
        self.shutdown.cut.cancel();
        self.served.await.unwrap()
    }
}
