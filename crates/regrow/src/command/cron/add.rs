//! `regrow cron add`: from what somebody wrote to a schedule that the store keeps.

use anyhow::{Context, bail};
use jiff::Timestamp;
use regrow_agent::Inbound;
use regrow_agent::schedule::{
    Job, MIN_EVERY_MS, Missed, Payload, Timing, parse_duration, parse_moment, zone,
};
use regrow_protocol::{Message, ScheduleId, SessionKey};
use regrow_store::{Schedule, ScheduleView, Store};

use super::show;
use crate::cli::{CronAdd, MissedArg};
use crate::state::State;

pub(super) async fn add(state: &State, store: &dyn Store, options: &CronAdd) -> anyhow::Result<()> {
    if options.name.trim().is_empty() || options.message.trim().is_empty() {
        bail!("--name and --message must not be empty");
    }
    let now = super::now(store).await?;
    let id = ScheduleId::new();
    let session = session(state, options, &id)?;
    let schedule = timing(state, options, now)?;
    let Some(next) = schedule.next_after(now)? else {
        bail!("{} never comes again; give a time in the future", show::times(&schedule));
    };
    let job = Job {
        name: options.name.trim().to_owned(),
        agent_id: session.agent().to_owned(),
        enabled: !options.disabled,
        delete_after_run: options.at.is_some() && !options.keep_after_run,
        created_at_ms: now,
        updated_at_ms: now,
        schedule,
        session_target: options.session.clone(),
        payload: Payload::AgentTurn { message: options.message.clone() },
        missed: match options.missed {
            MissedArg::Once => Missed::Once,
            MissedArg::Skip => Missed::Skip,
        },
    };
    let messages = vec![Message::user(options.message.as_str())];
    let schedule = Schedule {
        id,
        session,
        spec: serde_json::to_string(&job)?,
        body: serde_json::to_vec(&Inbound { messages, ..Inbound::default() })?,
        due_at: job.enabled.then_some(next),
    };
    let revision = store.put_schedule(&schedule, None).await?.unwrap_or_default();
    let view = ScheduleView { schedule, revision, last: None };
    if options.json {
        println!("{}", show::json(&view, None));
    } else {
        let next = view.schedule.due_at.map(|at| show::moment(&job, at, &super::default_zone(state)?));
        let next = next.transpose()?.unwrap_or_else(|| "not planned: it is disabled".to_owned());
        println!("{}  {}  next: {next}", view.schedule.id, show::times(&job.schedule));
    }
    Ok(())
}

/// The session that the messages belong to.
fn session(state: &State, options: &CronAdd, id: &ScheduleId) -> anyhow::Result<SessionKey> {
    let agents = &state.config.agents;
    let agent = options.agent.as_deref().unwrap_or_else(|| agents.default_agent());
    let target = options.session.trim();
    let key = match target {
        // The namespace is reserved for schedules, so no caller names it.
        "isolated" => format!("agent:{agent}:cron:{id}").parse(),
        "current" => {
            bail!("there is no current session on the command line; say main, isolated or a session's key")
        }
        _ => SessionKey::from_caller(target.strip_prefix("session:").unwrap_or(target), agent),
    };
    let key = key.with_context(|| format!("`{target}` is not a session for agent `{agent}`"))?;
    if options.agent.as_ref().is_some_and(|named| named != key.agent()) {
        bail!("--session {target} belongs to agent `{}`, not to --agent {agent}", key.agent());
    }
    if !agents.entries.contains_key(key.agent()) {
        let all: Vec<_> = agents.entries.keys().map(|id| id.as_str()).collect();
        bail!("there is no agent `{}`; the configuration has: {}", key.agent(), all.join(", "));
    }
    Ok(key)
}

/// The times that were asked for.
fn timing(state: &State, options: &CronAdd, now: i64) -> anyhow::Result<Timing> {
    let tz = match &options.tz {
        Some(tz) => tz.clone(),
        None => super::default_zone(state)?,
    };
    let zone = zone(&tz)?;
    Ok(match (&options.at, &options.every, &options.cron) {
        (Some(at), ..) => {
            Timing::At { at: Timestamp::from_millisecond(parse_moment(at, &zone, now)?)?.to_string() }
        }
        (_, Some(every), _) => {
            let every_ms = parse_duration(every)?;
            if every_ms < MIN_EVERY_MS {
                bail!("--every {every} is too short; the least is 1s");
            }
            Timing::Every { every_ms, anchor_ms: now }
        }
        (_, _, Some(expr)) => Timing::Cron { expr: expr.trim().to_owned(), tz: Some(tz) },
        _ => bail!("say --at, --every or --cron"),
    })
}
