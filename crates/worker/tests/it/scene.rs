//! One store file, one scripted model, any number of workers; and what a test does with them. Whatever is awaited has a
//! limit, so that a promise that is broken by silence is a failed test.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regrow_agent::{Ending, Entry, Inbound, Limits, Reply};
use regrow_chaos::model_server::Server;
use regrow_protocol::{Message, SessionId, SessionKey};
use regrow_providers::{Api, ModelOptions, Models, Options as ProviderSet, ProviderOptions, Retry, Timeouts};
use regrow_store::Retention;
use regrow_store::sqlite::{self, SqliteStore};
use regrow_tools::{Tool, Toolbox};
use regrow_worker::{
    AgentProfile, Cursor, Follow, Options, Settings, Submission, SubmitError, Ticket, Update, Worker,
};

use crate::faulty::{Fault, Faulty, Intent};
use crate::probe::Probe;

/// The longest that anything may take. Machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Tokens of the model `fake/small`.
pub(crate) const SMALL_WINDOW: u32 = 4_000;

/// A store file and a model.
pub(crate) struct Scene {
    pub(crate) model: Server,
    directory: tempfile::TempDir,
}

/// A worker and its own handle on the store.
pub(crate) struct Replica {
    pub(crate) worker: Worker,
    pub(crate) store: Arc<Faulty>,
}

/// What a worker is started with.
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) settings: Settings,
}

impl std::ops::Deref for Replica {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.worker
    }
}

/// Awaits something that must happen.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it should have happened by now")
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self { model: Server::start().await.unwrap(), directory: tempfile::tempdir().unwrap() }
    }

    /// Another handle on the store.
    pub(crate) fn store(&self) -> Arc<Faulty> {
        let path = self.directory.path().join("regrow.sqlite");
        Arc::new(Faulty::new(Arc::new(SqliteStore::open(&sqlite::Options::new(path)).unwrap())))
    }

    /// A worker with the usual options and these tools.
    pub(crate) async fn replica(&self, tools: &[&Arc<Probe>]) -> Replica {
        self.replica_with(tools, |_| {}).await
    }

    /// A worker with options of its own.
    pub(crate) async fn replica_with(&self, tools: &[&Arc<Probe>], adapt: impl FnOnce(&mut Plan)) -> Replica {
        let mut plan = self.plan(tools);
        adapt(&mut plan);
        self.start_replica(plan).await
    }

    /// A worker whose model says something else: the demo model.
    pub(crate) async fn demo_replica(&self) -> Replica {
        let mut plan = self.plan(&[]);
        main_agent(&mut plan).models = vec!["demo/demo".to_owned()];
        plan.settings.models = Arc::new(Models::demo_paced(Duration::ZERO));
        self.start_replica(plan).await
    }

    /// A worker whose model is somewhere else.
    pub(crate) async fn replica_of(&self, base_url: &str, tools: &[&Arc<Probe>]) -> Replica {
        let mut plan = self.plan(tools);
        plan.settings.models = models_at(base_url);
        self.start_replica(plan).await
    }

    async fn start_replica(&self, plan: Plan) -> Replica {
        let store = self.store();
        let worker = Worker::start(plan.options, plan.settings, store.store()).await.unwrap();
        Replica { worker, store }
    }

    /// The usual options and settings, with these tools.
    pub(crate) fn plan(&self, tools: &[&Arc<Probe>]) -> Plan {
        let tools = tools.iter().map(|probe| Arc::clone(probe) as Arc<dyn Tool>).collect();
        let profile = AgentProfile {
            name: "Test".to_owned(),
            workspace: self.directory.path().join("workspace"),
            state_dir: self.directory.path().join("agent"),
            models: vec!["fake/large".to_owned()],
            tools: Toolbox::new(tools),
            limits: Limits { steps: 20, seconds: 600, tokens: 0, attempts: 3 },
            reserve_tokens: 1_000,
            keep_recent_tokens: 300,
            file_chars: 1_000,
            total_chars: 2_000,
            timezone: Some("UTC".to_owned()),
        };
        let options = Options {
            address: String::new(),
            version: "test".to_owned(),
            slots: 64,
            lease: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            runs: true,
            prune_every: Duration::from_secs(3_600),
        };
        let settings = Settings {
            max_queued: 64,
            max_ready: 1_000,
            retention: Retention::default(),
            agents: HashMap::from([("main".to_owned(), profile)]),
            models: models_at(&self.model.base_url()),
        };
        Plan { options, settings }
    }

    /// The log of a session. Its positions have no gap.
    pub(crate) async fn log(&self, session: &str) -> Vec<Entry> {
        let id = SessionId::of(&key_of(session));
        let log = self.store().sound().read_log(id, 0, 10_000).await.unwrap();
        let seqs: Vec<i64> = log.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=i64::try_from(log.len()).unwrap()).collect::<Vec<_>>(), "a log has no gap");
        log.iter().map(|entry| serde_json::from_slice(&entry.payload).unwrap()).collect()
    }

    /// Of each model call for a message, after how many tool rounds it came.
    pub(crate) fn rounds(&self, id: &str) -> Vec<usize> {
        let calls = self.model.calls();
        calls.iter().filter(|call| call.id.as_deref() == Some(id)).map(|call| call.rounds).collect()
    }
}

impl Replica {
    /// Hands a message in.
    pub(crate) async fn send(&self, session: &str, text: &str) -> Ticket {
        soon(self.submit(message(session, text))).await.unwrap()
    }

    /// Hands a message in until it is accepted, as a client with an idempotency key does.
    pub(crate) async fn insist(&self, session: &str, key: &str, text: &str) -> Ticket {
        soon(async {
            loop {
                match self.submit(keyed(session, key, text)).await {
                    Ok(ticket) => return ticket,
                    Err(SubmitError::Unavailable { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await
    }

    /// The reply to a message, once it is there.
    pub(crate) async fn ask(&self, session: &str, text: &str) -> Arc<Reply> {
        let ticket = self.send(session, text).await;
        self.ended(&ticket).await
    }

    /// The reply of a run, once it is there. If it is done, its text is what a follower from the start was told.
    pub(crate) async fn ended(&self, ticket: &Ticket) -> Arc<Reply> {
        let mut follow = self.follow(ticket, Cursor::START);
        let told = tell(&mut follow).await;
        let Told::Ended(text, reply) = told else { panic!("the run ended otherwise: {told:?}") };
        assert!(text == reply.text || reply.ending != Ending::Done, "{text:?} was told, {reply:?} was meant");
        reply
    }

    /// Loses its life, and does not come back until its store is healed: others take over.
    pub(crate) fn lose_life(&self) {
        self.store.always(Intent::Join, Fault::Refused);
        self.store.next(Intent::Heartbeat, [Fault::Gone]);
    }
}

/// What a follower was told.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// This text, and then the end.
    Ended(String, Arc<Reply>),
    /// This text, and then that it is no longer true.
    Diverged(String),
}

/// Follows to the end.
pub(crate) async fn tell(follow: &mut Follow) -> Told {
    let mut text = String::new();
    loop {
        match soon(follow.next()).await.unwrap() {
            Some(Update::Text(piece)) => text.push_str(&piece),
            Some(Update::Ended(reply)) => return Told::Ended(text, reply),
            Some(Update::Diverged) => return Told::Diverged(text),
            None => panic!("a follower is told an end; it has {text:?}"),
        }
    }
}

/// Follows until there are so many bytes of text.
pub(crate) async fn read(follow: &mut Follow, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        match soon(follow.next()).await.unwrap() {
            Some(Update::Text(piece)) => text.push_str(&piece),
            other => panic!("text was to be expected, not {other:?}"),
        }
    }
    text
}

/// The models of a server, as `fake/…`.
pub(crate) fn models_at(base_url: &str) -> Arc<Models> {
    let small = ModelOptions { context_window: SMALL_WINDOW, ..ModelOptions::unlisted("small") };
    let provider = ProviderOptions {
        id: "fake".to_owned(),
        api: Api::OpenAiCompletions,
        base_url: base_url.to_owned(),
        api_key: None,
        headers: Vec::new(),
        timeouts: Timeouts::default(),
        models: vec![small],
    };
    let retry = Retry { base_delay: Duration::from_millis(1), ..Retry::default() };
    Arc::new(Models::new(ProviderSet { providers: vec![provider], retry }).unwrap())
}

/// A message without an idempotency key.
pub(crate) fn message(session: &str, text: &str) -> Submission {
    let inbound = Inbound { messages: vec![Message::user(text)], ..Inbound::default() };
    Submission { session: key_of(session), key: None, fingerprint: 0, inbound }
}

/// A message with one.
pub(crate) fn keyed(session: &str, key: &str, text: &str) -> Submission {
    Submission { key: Some(key.to_owned()), ..message(session, text) }
}

pub(crate) fn key_of(session: &str) -> SessionKey {
    SessionKey::from_caller(session, "main").unwrap()
}

/// The agent of all tests.
pub(crate) fn main_agent(plan: &mut Plan) -> &mut AgentProfile {
    plan.settings.agents.get_mut("main").unwrap()
}

/// The answer of the scripted model to the last of these messages.
pub(crate) fn answer(ids: &[&str]) -> String {
    format!("reply to {}: turns={} seen={}", ids.last().unwrap(), ids.len(), ids.join(","))
}

/// Asserts that a run is done with this text.
#[track_caller]
pub(crate) fn assert_done(reply: &Arc<Reply>, text: &str) {
    assert_eq!((&reply.ending, reply.text.as_str()), (&Ending::Done, text));
}
