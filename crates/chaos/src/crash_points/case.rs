//! One case: a run meets a fail-point, somebody else continues it, and those outside must not notice more than a pause.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use regrow_faults::{FailPoint, Intent, MET, Point};
use regrow_testbed::postgres::{Address, Database};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{Outcome, verdict};
use crate::client::Turn;
use crate::cluster::{self, Cluster, ProcessState};
use crate::faulty::FAIL_POINTS;
use crate::history::{Ask, HarmKind, History};
use crate::model_server::Server;
use crate::trial::{Scene, Sender, watch_life, watch_machine};

/// The longest that a case may take, with many others on a busy machine.
const PATIENCE: Duration = Duration::from_secs(80);

/// What a case says that tested nothing, and how often it is played until that counts.
const NOT_MET: &str = "nothing met the fail-point";
const ATTEMPTS: usize = 3;

/// How long after the end of the message a zombie has to do harm, in leases.
const ZOMBIE: u32 = 1;

/// The pause between two looks at processes and their logs.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The message that meets the fail-point, and the one that takes stock.
pub(super) const MESSAGE: &str = "a";
const LAST: &str = "end";
const SESSION: &str = "s";

/// The replica that meets the fail-point, and the other one.
const VICTIM: usize = 0;
const OTHER: usize = 1;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Script {
    /// It answers.
    NoTool,
    /// It calls a tool that changes nothing, twice.
    Pure,
    /// It calls a tool that may be called again with the same key, twice.
    Keyed,
    /// It calls a tool that must not be called again.
    Unsafe,
    /// Its sender does not want it any more.
    Abort,
}

/// A case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// What the run does.
    pub script: Script,
    /// What goes wrong.
    pub fail_point: FailPoint,
    /// Its sender asks for a stream.
    pub stream: bool,
}

impl Script {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoTool, Self::Pure, Self::Keyed, Self::Unsafe, Self::Abort];

    /// The tool that it calls, and how often.
    pub(super) fn tool(self) -> Option<(&'static str, usize)> {
        match self {
            Self::NoTool | Self::Abort => None,
            Self::Pure => Some(("probe_pure", 2)),
            Self::Keyed => Some(("probe_keyed", 2)),
            Self::Unsafe => Some(("probe_unsafe", 1)),
        }
    }

    fn text(self) -> String {
        match self.tool() {
            Some((tool, rounds)) => format!(
                r#"[[id={MESSAGE} first_ms=60 rounds={rounds} tool={tool} args={{"message":"{MESSAGE}"}}]]"#
            ),
            // Long enough to be met in the middle.
            None if self == Self::Abort => format!("[[id={MESSAGE} tokens=60 delay_ms=50]]"),
            None => format!("[[id={MESSAGE} first_ms=60]]"),
        }
    }
}

impl Case {
    /// The fail-point lies in a take-over: somebody else begins the run, and dies.
    fn is_takeover(&self) -> bool {
        self.fail_point.point == Point::Store(Intent::Claim)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.stream { "stream" } else { "whole" };
        write!(f, "{:<9} {way:<6} {}", format!("{:?}", self.script), self.fail_point)
    }
}

/// Plays a case to its end, whatever that is.
pub(super) async fn play(program: &Path, server: Option<&Address>, case: Case) -> Outcome {
    let (mut logs, mut attempts) = (String::new(), 1);
    loop {
        let wrong = match timeout(PATIENCE, try_to_play(program, server, case, &mut logs)).await {
            Ok(Ok(wrong)) => wrong,
            // On a slow machine another replica may have been first.
            Ok(Err(error)) if error.to_string() == NOT_MET && attempts < ATTEMPTS => {
                attempts += 1;
                continue;
            }
            Ok(Err(error)) => vec![format!("{error:#}")],
            Err(_) => vec![format!("it did not come to an end within {PATIENCE:?}")],
        };
        return Outcome { case, wrong, logs };
    }
}

async fn try_to_play(
    program: &Path,
    server: Option<&Address>,
    case: Case,
    logs: &mut String,
) -> Result<Vec<String>> {
    // It goes after the replicas.
    let database = match server {
        Some(server) => Some(server.create_database().await?),
        None => None,
    };
    let scene = Arc::new(Scene::new(Server::start().await?, server.is_some(), PATIENCE / 2));
    let mut cluster = Cluster::start(cluster::Options {
        replicas: 2,
        store: database.as_ref().map(Database::url),
        extra_config: json!({"regrow": {"leaseSeconds": scene.lease.as_secs()}}),
        env: vec![scene.witness()],
        ..cluster::Options::new(program.to_owned(), scene.model.base_url())
    })
    .await?;
    cluster.set_env(vec![scene.witness(), (FAIL_POINTS.to_owned(), case.fail_point.to_string())]);
    cluster.restart(VICTIM).await?;
    cluster.set_env(vec![scene.witness()]);
    for replica in [VICTIM, OTHER] {
        tokio::spawn(watch_life(Arc::clone(&scene), replica, cluster.pid(replica)?));
    }
    scene.open_doors(&cluster)?;
    watch_machine(&scene)?;
    let history = converse(&scene, &mut cluster, case).await;
    *logs = cluster.logs();
    let history = history?;
    Ok(verdict::on(case, &history, &scene.model.effects()))
}

/// The message that meets the fail-point, the aftermath, and the message that takes stock.
async fn converse(scene: &Arc<Scene>, cluster: &mut Cluster, case: Case) -> Result<History> {
    let first = if case.is_takeover() { OTHER } else { VICTIM };
    let mut sender = Sender::new(Arc::clone(scene), SESSION.to_owned(), Rng::with_seed(1));
    sender.begin_at(first);
    let text = case.script.text();
    let asking = tokio::spawn(async move {
        sender.insist(MESSAGE, &text, case.stream).await;
        sender.asks
    });
    let mut aborted = BTreeSet::new();
    if case.is_takeover() {
        scene.model.wait_for(MESSAGE, 0).await;
        cluster.kill(OTHER).await?;
    }
    if case.script == Script::Abort {
        scene.model.wait_for(MESSAGE, 3).await;
        abort(cluster, case).await?;
        aborted.insert(MESSAGE.to_owned());
    }
    await_fail_point(cluster, case).await?;
    if case.is_takeover() {
        cluster.restart(OTHER).await?;
        tokio::spawn(watch_life(Arc::clone(scene), OTHER, cluster.pid(OTHER)?));
        scene.open_doors(cluster)?;
    }
    let mut asks = asking.await?;
    settle(scene, cluster).await?;
    asks.extend(take_stock(scene, case).await);
    Ok(History {
        sessions: BTreeMap::from([(SESSION.to_owned(), LAST.to_owned())]),
        asks,
        calls: scene.model.calls(),
        harms: scene.harms(),
        probes: Vec::new(),
        aborted,
    })
}

/// Waits until the fail-point was met. The error is one that nothing meets: such a case tests nothing.
async fn await_fail_point(cluster: &Cluster, case: Case) -> Result<()> {
    let met = format!("{MET} {}", case.fail_point);
    let looks = async {
        while !cluster.logs().contains(&met) {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE / 2, looks).await.context(NOT_MET)
}

/// Asks the other replica to abort the run, whose id it tells to who asks with the same key.
async fn abort(cluster: &Cluster, case: Case) -> Result<()> {
    let client = cluster.client(OTHER)?;
    let turn = Turn::user(case.script.text()).in_session(SESSION).once(MESSAGE).streamed();
    let live = client.open(&turn).await?;
    let run = live.so_far().run_id().context("the other replica does not know the run")?;
    let status = client.abort(run).await?;
    ensure!(status < 300, "the abort was answered with {status}");
    Ok(())
}

/// Waits until whoever stood still has gone on, and has had time to do harm; then everybody runs.
async fn settle(scene: &Arc<Scene>, cluster: &mut Cluster) -> Result<()> {
    while scene.pauses.load(Ordering::Relaxed) > 0 {
        sleep(LOOK_EVERY).await;
    }
    if scene.harms().iter().any(|harm| harm.kind == HarmKind::Pause) {
        sleep(scene.lease * ZOMBIE).await;
    }
    for replica in [VICTIM, OTHER] {
        if cluster.state(replica)? == ProcessState::Gone {
            cluster.restart(replica).await?;
        }
    }
    scene.open_doors(cluster)
}

/// Asks for the message's reply again at both replicas, then sends the message that takes stock.
async fn take_stock(scene: &Arc<Scene>, case: Case) -> Vec<Ask> {
    let mut sender = Sender::new(Arc::clone(scene), SESSION.to_owned(), Rng::with_seed(2));
    for replica in [VICTIM, OTHER] {
        sender.begin_at(replica);
        sender.insist(MESSAGE, &case.script.text(), !case.stream).await;
    }
    sender.insist(LAST, &format!("[[id={LAST}]]"), case.stream).await;
    sender.asks
}
