//! Resident memory at rest, what an idle session adds to it, and what an open stream adds to its peak.
//!
//! Each is measured on a process of its own, and sessions after a smaller number of others: what is taken once must
//! not be counted as theirs.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::stage::{NO_PROCESS, QUESTION, Stage};
use super::{Options, Section};
use crate::client::{Client, Turn};
use crate::load::Limit;

/// How many sessions are made at once.
const MAKERS: usize = 16;

/// The pause between two tokens of an open stream.
const TOKEN_MS: u128 = 250;

/// From the first to the last piece of one stream.
type Span = (Instant, Instant);

/// A stream that was read to its end.
pub(super) struct Held {
    pub(super) span: Span,
    /// From the request to the end.
    pub(super) total: Duration,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let stage = Stage::open(&options.target, 1).await?;
    sleep(options.scale.rest).await;
    section.add_if("idle", "at rest after the start", "MB", stage.resident_mb()?, NO_PROCESS);
    sessions(options, &stage, section).await?;
    drop(stage);
    streams(options, section).await
}

/// Makes sessions of one turn each, and more of them, and looks at the difference.
async fn sessions(options: &Options, stage: &Stage, section: &mut Section) -> Result<()> {
    let count = options.scale.sessions;
    let mut seen = Vec::new();
    for (name, sessions) in [("first", count / 10), ("idle", count)] {
        let load =
            stage.load(stage.distinct(name, 1), MAKERS, Limit::Turns(sessions), stage.turn(QUESTION)).await?;
        if load.failures() > 0 {
            section.fail(load.describe_failures());
        }
        sleep(options.scale.rest).await;
        seen.extend(stage.resident_mb()?);
    }
    let per_session = match seen[..] {
        [before, after] => Some((after - before) * 1e3 / count as f64),
        _ => None,
    };
    section.add_if("session", format!("an idle session, of {count}"), "kB", per_session, NO_PROCESS);
    section.add_if(
        "sessions.rss",
        format!("at rest after {count} sessions"),
        "MB",
        seen.last().copied(),
        NO_PROCESS,
    );
    Ok(())
}

/// Holds streams open by a slow model, all at once.
async fn streams(options: &Options, section: &mut Section) -> Result<()> {
    let stage = Stage::open(&options.target, 1).await?;
    sleep(options.scale.rest).await;
    let idle = stage.resident_mb()?;
    stage.forget_peak();
    let (count, time) = (options.scale.streams, options.scale.stream_time);
    let text = format!("[[tokens={} delay_ms={TOKEN_MS}]] {QUESTION}", time.as_millis() / TOKEN_MS);
    let mut running = JoinSet::new();
    for number in 0..count {
        let turn = stage.turn(&text).streamed().in_session(stage.session(&format!("stream-{number}")));
        running.spawn(hold(stage.gateway().clone(), turn));
    }
    let (mut spans, mut example) = (Vec::new(), None);
    while let Some(ended) = running.join_next().await {
        match ended? {
            Ok(held) => spans.push(held.span),
            Err(why) => example = Some(why),
        }
    }
    if let Some(example) = example {
        section.fail(format!("{} of {count} streams, such as: {example}", count - spans.len()));
    }
    let peak = stage.peak_mb()?;
    let per_stream = peak.zip(idle).map(|(peak, idle)| (peak - idle) * 1e3 / count as f64);
    section.add(
        "streams.answered",
        format!("{count} streams at once: answered"),
        "%",
        share(spans.len(), count),
    );
    section.add("streams.held", format!("{count} streams at once: most open"), "", at_once(&spans) as f64);
    section.add_if("streams.peak", format!("{count} streams at once: peak"), "MB", peak, NO_PROCESS);
    section.add_if("stream", "an open stream", "kB", per_stream, NO_PROCESS);
    Ok(())
}

/// Reads one stream to its end.
pub(super) async fn hold(client: Client, turn: Turn) -> Result<Held, String> {
    let sent = Instant::now();
    let reply = client.send(&turn).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    if !reply.is_ok() {
        return Err(format!("status {}: {:?} {:?}", reply.status, reply.error, reply.broken));
    }
    let after = |time: Duration| sent + time;
    let span = (after(reply.first_token.unwrap_or(reply.total)), after(reply.total));
    Ok(Held { span, total: reply.total })
}

/// So many of so many, in percent.
pub(super) fn share(part: usize, all: usize) -> f64 {
    part as f64 * 100.0 / all.max(1) as f64
}

/// The most spans that overlap at any moment.
pub(super) fn at_once(spans: &[Span]) -> usize {
    let begun =
        |moment: Instant| spans.iter().filter(|(from, until)| *from <= moment && moment < *until).count();
    spans.iter().map(|(from, _)| begun(*from)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_overlaps_was_open_at_once() {
        let zero = Instant::now();
        let span = |from, until| (zero + Duration::from_secs(from), zero + Duration::from_secs(until));
        assert_eq!(at_once(&[span(0, 4), span(1, 3), span(2, 5), span(4, 6)]), 3);
        assert_eq!(at_once(&[span(0, 1), span(1, 2)]), 1);
        assert_eq!((at_once(&[]), share(1, 4), share(0, 0)), (0, 25.0, 0.0));
    }
}
