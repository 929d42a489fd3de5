//! `regrow cron` on the command line. Names are OpenClaw's where it has them.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Cron {
    /// Schedule a message: once, at an interval, or by the calendar.
    #[command(
        visible_alias = "create",
        after_long_help = "Examples:\n  \
            regrow cron add --name brief --cron '0 7 * * 1-5' --tz Europe/Berlin --message 'What is on today?'\n  \
            regrow cron add --name check --every 10m --session main --message 'Anything new?'\n  \
            regrow cron add --name remind --at 20m --message 'Remind me of the tea.'\n\n\
            A cron expression has five fields: minute, hour, day of the month, month, day of the week; with six, the \
            first is the second. If both days are given, either matches; with + before the day of the week, both must. An \
            expression with one time of the day comes once also on the days when the clock is put forward or back."
    )]
    Add(Add),
    /// Schedules, with their next times and what became of their last ones.
    List {
        /// Print JSON, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Fire a schedule now, also one that is disabled; its plan stays as it is.
    Run(Which),
    /// Remove a schedule; runs that it has opened go on.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove(Which),
    /// Plan a schedule again, from its next time on.
    Enable(Which),
    /// Keep a schedule, but do not fire it.
    Disable(Which),
}

/// Which schedule is meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its id, or its name if no other schedule has it.
    pub(crate) id: String,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["at", "every", "cron"]))]
pub(crate) struct Add {
    /// What to call it.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Once: an ISO 8601 time such as 2030-01-31T09:00 or 2030-01-31T09:00:00+01:00, or how long from now, such as 20m.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// At an interval of at least a second, counted from now: 30s, 10m, 1h30m, 1d, or milliseconds.
    #[arg(long, value_name = "DURATION")]
    pub(crate) every: Option<String>,
    /// By the calendar: a cron expression, such as '0 9 * * 1-5' for nine o'clock from Monday to Friday.
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) cron: Option<String>,
    /// The time zone of --cron, and of --at without an offset, such as Europe/Berlin [default: the configuration's
    /// agents.defaults.userTimezone, else UTC].
    #[arg(long, value_name = "ZONE", conflicts_with = "every")]
    pub(crate) tz: Option<String>,
    /// What to say to the agent.
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: String,
    /// The conversation: isolated is one of the schedule's own, main the agent's main one; anything else is a session's
    /// key.
    #[arg(long, value_name = "TARGET", default_value = "isolated")]
    pub(crate) session: String,
    /// The agent [default: the configured default agent].
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// What becomes of ticks while no replica ran or the session was full.
    #[arg(long, value_enum, value_name = "POLICY", default_value_t = MissedArg::Once)]
    pub(crate) missed: MissedArg,
    /// Remove it once its message is accepted; only for --at, where this is the default.
    #[arg(long, conflicts_with_all = ["every", "cron"])]
    pub(crate) delete_after_run: bool,
    /// Keep it, to be seen, after its message was accepted; only for --at.
    #[arg(long, conflicts_with_all = ["every", "cron", "delete_after_run"])]
    pub(crate) keep_after_run: bool,
    /// Only make it; `regrow cron enable` plans it.
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`regrow_agent::schedule::Missed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissedArg {
    /// One firing makes up for all of them.
    Once,
    /// They are left out.
    Skip,
}
