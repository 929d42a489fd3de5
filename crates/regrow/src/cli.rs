//! The command line.

mod cron;
mod external_metrics;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::cron::{Add as CronAdd, Cron, MissedArg, Which};
pub(crate) use self::external_metrics::ExternalMetrics;
use crate::config::Role;

/// An AI-agent gateway whose replicas are expendable.
///
/// Without a command it serves: `regrow` is `regrow serve`. Start it more than once (with other ports) on the same state
/// directory, and the replicas share all sessions: when one dies in the middle of a reply, another one continues it.
#[derive(Debug, Parser)]
#[command(name = "regrow", version = crate::version::shown(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) serve: Serve,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command needs to find its state.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Configuration file (JSON5, OpenClaw's format) [default: openclaw.json in the state directory].
    #[arg(long, global = true, env = "OPENCLAW_CONFIG_PATH", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory for the store, the token and workspaces [default: ~/.regrow].
    #[arg(long, global = true, env = "REGROW_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// The store that all replicas share: sqlite:PATH, or postgres://user@host:5432/database for replicas on any machines
    /// [default: regrow.db in the state directory; env: REGROW_STORE].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// File that holds the password of the store's user, so that it stands neither in the URL nor in the environment.
    #[arg(long, global = true, env = "REGROW_STORE_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) store_password_file: Option<PathBuf>,
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// Port to listen on; 0 takes any free one [default: 18789].
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Where to listen: loopback, lan (every interface) or an IP address.
    #[arg(long, value_name = "WHERE")]
    pub(crate) bind: Option<String>,
    /// Where other replicas reach this one [default: where it listens; the interface on the way out if that is all of
    /// them].
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) advertise: Option<String>,
    /// Port for those who watch: /metrics for Prometheus and /internal/autoscale, without authentication, on the same
    /// address [default: none].
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// What this replica does; may be given twice [default: both].
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) role: Vec<RoleArg>,
}

/// See [`Role`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RoleArg {
    /// Answers at the doors.
    Gateway,
    /// Claims sessions and executes runs.
    Worker,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Gateway => Self::Gateway,
            RoleArg::Worker => Self::Worker,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a replica of the gateway (what `regrow` does without a command).
    Serve(Serve),
    /// See the promise kept: three replicas, a hundred conversations, and a kill every second or two.
    ///
    /// Starts three replicas of this program over one store in a temporary directory, lets the built-in demo model talk
    /// through a small balancer (no key and no network are needed, your own state and configuration are not touched),
    /// and kills a replica with SIGKILL every second or two, in the middle of its replies. Many messages have tools
    /// called, some are sent while the one before is being answered, and every reader whose connection breaks asks again
    /// with the same Idempotency-Key and its last event's id.
    ///
    /// At the end every reply is asked for again and the store is read, and a table says what was lost, repeated or out of
    /// order. Exit code 0: every promise was kept; 70: one is broken, the directory is kept and its path is printed; 1:
    /// nothing was shown, or something else went wrong; 130: stopped by Ctrl-C.
    Demo(Demo),
    /// Send one message to an agent and stream its reply.
    Agent(Agent),
    /// Talk with an agent in the terminal.
    Chat(Chat),
    /// List, show or reset conversations.
    #[command(subcommand)]
    Sessions(Sessions),
    /// List, show or abort runs.
    #[command(subcommand)]
    Runs(Runs),
    /// Schedule messages: at a time, at an interval, or by a cron expression.
    ///
    /// A schedule is kept in the store that all replicas share. Whichever replica runs fires it, and each tick is one
    /// message, however many replicas there are and whichever of them is lost. These commands need no running gateway,
    /// but what is due fires only while one runs; afterwards one firing makes up for what was missed (--missed).
    #[command(subcommand, visible_alias = "automations")]
    Cron(Cron),
    /// List the replicas that the store believes alive.
    Replicas(Replicas),
    /// Examine the configuration and the store, and say what is wrong and what to do.
    ///
    /// Changes nothing: it neither makes a store nor brings one up to date; to measure the store it joins as a replica that
    /// takes no work, for a moment. Exit code 0: nothing is a problem, though there may be warnings; 78: something is.
    Doctor(Doctor),
    /// Ask a running gateway whether it is ready; exit code 0 if it is.
    Health(Health),
    /// Bring the store's schema up to date.
    Migrate(Migrate),
    /// Delete what is over and was kept long enough: keys, idle conversations, what summaries stand for.
    ///
    /// Replicas do the same about hourly, by `regrow.retention` of the configuration; both may run at once. Nothing is
    /// deleted that is still to be done or that a conversation needs.
    Prune(Prune),
    /// Serve the load of all replicas as Kubernetes' External Metrics API, so that a HorizontalPodAutoscaler needs no adapter.
    ///
    /// Runs beside the replicas, on the same store, and is none of them: it only reads. Kubernetes' API server passes
    /// requests on to it, by HTTPS with the certificate of its front proxy, and nobody else is answered, except for probes at
    /// /healthz and /readyz. A cluster has one server of this API: do not use it beside KEDA or prometheus-adapter. Helm
    /// chart: externalMetrics.enabled. In a pod:
    ///
    /// regrow external-metrics --bind lan --tls-cert /tls/tls.crt --tls-key /tls/tls.key
    ///
    /// and with an APIService for v1beta1.external.metrics.k8s.io that leads there:
    ///
    /// kubectl get --raw /apis/external.metrics.k8s.io/v1beta1/namespaces/NAMESPACE/regrow_load
    ///
    /// Metrics: regrow_load, regrow_oldest_ready_seconds, regrow_lanes_ready, regrow_lanes_running, regrow_slots,
    /// regrow_replicas.
    ExternalMetrics(ExternalMetrics),
    /// Check, print or describe the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Print completions for a shell, for example: regrow completions bash > /etc/bash_completion.d/regrow
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How to demonstrate.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many conversations, of three to five messages each.
    #[arg(long, default_value_t = 120, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) conversations: u32,
    /// About how long it may take; conversations that do not fit are left out.
    #[arg(long, default_value_t = 30, value_name = "S", value_parser = clap::value_parser!(u64).range(3..=3_600))]
    pub(crate) seconds: u64,
    /// The same seed gives the same messages and the same dice; when things happen differs all the same [default: a new
    /// one].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Keep the directory with the store and the replicas' logs, and print its path.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one JSON object at the end instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which gateway to talk to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Address of a gateway, such as http://127.0.0.1:18789; may be given several times. If one is lost in the middle of
    /// a reply, the next one continues it [default: the configured port, then every replica that the store knows].
    #[arg(long, env = "REGROW_URL", value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// The gateway's token [default: from the configuration, then the state directory].
    #[arg(long, env = "OPENCLAW_GATEWAY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Agent {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The message; `-` reads it from standard input.
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: String,
    /// The agent [default: the configured default agent].
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// The conversation [default: main].
    #[arg(long, value_name = "KEY")]
    pub(crate) session_key: Option<String>,
    /// Send again with the same key to get the same reply instead of a second run [default: a new one].
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print one JSON object at the end instead of the text while it comes.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The agent [default: the configured default agent].
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// The conversation [default: main].
    #[arg(long, value_name = "KEY")]
    pub(crate) session_key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// Conversations, the latest first.
    List(Listing),
    /// What was said in a conversation.
    Show {
        /// Its key, such as agent:main:main or main.
        key: String,
        /// Print JSON, one entry a line.
        #[arg(long)]
        json: bool,
    },
    /// Start a conversation afresh; what was said stays in the log.
    Reset {
        /// Its key, such as agent:main:main or main.
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// Runs, the latest first.
    List(Listing),
    /// One run and its steps.
    Show {
        /// Its id.
        run: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stop a run that waits or runs.
    Abort {
        /// Its id.
        run: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Replicas {
    /// Say of each what it runs, too.
    #[arg(long)]
    pub(crate) runs: bool,
    /// Print JSON, one replica a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Also read all that the store holds, and ask the default model's provider whether it answers.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// How many at most.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
    /// Print JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Address of the gateway [default: the configured port].
    #[arg(long, env = "REGROW_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Only say which version the store has and which this program needs.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// How long a key is remembered after its reply, in days [default: regrow.retention.keysDays, else 30].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keys_days: Option<u32>,
    /// How long a conversation is kept that nothing happens to, in days; not shorter than keys [default:
    /// regrow.retention.sessionsDays, else for ever].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sessions_days: Option<u32>,
    /// How long is kept what a summary stands for or what was reset, in days; not shorter than keys [default:
    /// regrow.retention.historyDays, else for ever].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) history_days: Option<u32>,
    /// Only count what would be deleted.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object at the end instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Report all problems and warnings; exit code 78 if there is a problem.
    Check,
    /// Print the configuration in force, with defaults; secrets are redacted.
    Print,
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Say what of a configuration is not in force in the replica that runs here.
    ///
    /// Each key is listed with what it takes: `reload`, which a replica does by itself within seconds, or `restart`. Neither
    /// values nor secrets are printed. Exit code 0: nothing differs; 1: something does; 78: the configuration is invalid, or
    /// no replica runs here.
    Diff(ConfigDiff),
}

/// What to compare with what is in force.
#[derive(Debug, Args)]
pub(crate) struct ConfigDiff {
    /// A configuration file that is not in its place yet [default: the configured one].
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The port of the replica [default: the configured one, else that of the only replica that runs here].
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
