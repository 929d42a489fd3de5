//! Fail-points: named boundaries at which the process ends, stands still, or is told that a call failed.
//!
//! `append.after#2=kill` kills the process after the second append was committed and before anybody knows of it. The
//! boundaries are those of the protocol's fault table; a process obeys each fail-point once.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use regrow_protocol::EntryKind;
use regrow_store::{Error, Layer, Store};
use rustix::process::{Signal, getpid, kill_process};

use crate::{Afterwards, Call, Intent, Intercept, Intercepted};

/// What a process says on standard error when it meets a fail-point, before the fail-point's name.
pub const MET: &str = "fail-point met:";

/// Something that happens in a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// A call of the store.
    Store(Intent),
    /// An append that records a model's answer.
    Answer,
    /// An append that records the intent to call an unsafe tool.
    Started,
    /// An append that records the results of tools.
    Result,
    /// The execution of a tool.
    Tool,
}

/// On which side of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Nothing of it has happened.
    Before,
    /// It has happened, and nobody knows yet.
    After,
}

/// What goes wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The process is killed (SIGKILL).
    Kill,
    /// The process stands still (SIGSTOP) until somebody lets it go on.
    Stop,
    /// The caller is told that the call failed: rightly before it, wrongly after it, when only its answer is lost.
    Fail,
}

/// Where what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailPoint {
    /// The boundary's event.
    pub point: Point,
    /// The side of it.
    pub moment: Moment,
    /// The how many-th time in this process, from 1.
    pub nth: u32,
    /// What happens.
    pub effect: Effect,
}

/// The fail-points of a process. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct FailPoints {
    points: Arc<[(FailPoint, AtomicU32)]>,
}

impl FailPoints {
    /// Fail-points in their written form, separated by commas; none of an empty text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let points: Result<Vec<FailPoint>, String> =
            text.split(',').filter(|one| !one.is_empty()).map(str::parse).collect();
        Ok(Self { points: points?.into_iter().map(|point| (point, AtomicU32::new(0))).collect() })
    }

    /// This boundary is reached. The error is what the caller is to be told.
    pub fn reach(&self, point: Point, moment: Moment) -> Result<(), Error> {
        for (fail_point, reached) in &*self.points {
            if (fail_point.point, fail_point.moment) == (point, moment)
                && reached.fetch_add(1, Ordering::Relaxed) + 1 == fail_point.nth
            {
                // The only trace that a process leaves which is about to die.
                eprintln!("{MET} {fail_point}");
                fail_point.effect.happen()?;
            }
        }
        Ok(())
    }

    /// The store below, whose calls meet these fail-points.
    pub fn over(&self, below: Arc<dyn Store>) -> Arc<dyn Store> {
        let armed = Armed { points: self.clone(), below: Arc::clone(&below) };
        Layer::store(Intercepted::new(below, armed))
    }
}

/// Fail-points at a store.
struct Armed {
    points: FailPoints,
    below: Arc<dyn Store>,
}

#[async_trait]
impl Intercept for Armed {
    async fn meet(&self, call: Call<'_>) -> Result<Option<Afterwards>, Error> {
        // A look for something to claim is no claim.
        if call.intent == Intent::Claim && self.below.load().await?.ready == 0 {
            return Ok(None);
        }
        let points = points_of(&call);
        points.iter().try_for_each(|point| self.points.reach(*point, Moment::Before))?;
        let all = self.points.clone();
        Ok(Some(Box::pin(
            async move { points.iter().try_for_each(|point| all.reach(*point, Moment::After)) },
        )))
    }
}

/// What a call of the store is: itself, and what it records.
fn points_of(call: &Call<'_>) -> Vec<Point> {
    let recorded = [
        (EntryKind::Assistant, Point::Answer),
        (EntryKind::ToolStarted, Point::Started),
        (EntryKind::ToolResult, Point::Result),
    ];
    let recorded = recorded.into_iter().filter(|(kind, _)| call.writes(*kind)).map(|(_, point)| point);
    std::iter::once(Point::Store(call.intent)).chain(recorded).collect()
}

impl Effect {
    fn happen(self) -> Result<(), Error> {
        match self {
            Self::Kill => signal(Signal::KILL),
            Self::Stop => signal(Signal::STOP),
            Self::Fail => return Err(Error::Unavailable("a fail-point says so".to_owned())),
        }
        Ok(())
    }
}

/// Sends a signal to this process. It takes effect before this returns.
fn signal(signal: Signal) {
    static SELF: OnceLock<rustix::process::Pid> = OnceLock::new();
    // A process may always send itself a signal.
    let _ = kill_process(*SELF.get_or_init(getpid), signal);
}

impl Point {
    /// The points that are not merely an intent.
    const NAMED: [(&'static str, Self); 4] = [
        ("answer", Self::Answer),
        ("started", Self::Started),
        ("result", Self::Result),
        ("tool", Self::Tool),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Store(intent) => intent.name(),
            other => Self::NAMED.iter().find(|(_, point)| *point == other).map_or("", |(name, _)| name),
        }
    }
}

impl fmt::Display for FailPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = if self.moment == Moment::Before { "before" } else { "after" };
        let effect = match self.effect {
            Effect::Kill => "kill",
            Effect::Stop => "stop",
            Effect::Fail => "fail",
        };
        write!(f, "{}.{moment}#{}={effect}", self.point.name(), self.nth)
    }
}

impl FromStr for FailPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` {what}; a fail-point reads like append.after#2=kill");
        let (place, effect) = text.split_once('=').ok_or_else(|| wrong("has no effect"))?;
        let (place, nth) = place.split_once('#').unwrap_or((place, "1"));
        let (point, moment) = place.split_once('.').ok_or_else(|| wrong("has no moment"))?;
        let named = Point::NAMED.iter().find(|(name, _)| *name == point).map(|(_, point)| *point);
        Ok(Self {
            point: named.map_or_else(|| point.parse().map(Point::Store), Ok)?,
            moment: match moment {
                "before" => Moment::Before,
                "after" => Moment::After,
                _ => return Err(wrong("is neither before nor after")),
            },
            nth: nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(|| wrong("counts from 1"))?,
            effect: match effect {
                "kill" => Effect::Kill,
                "stop" => Effect::Stop,
                "fail" => Effect::Fail,
                _ => return Err(wrong("knows no such effect")),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use regrow_store::NewEntry;

    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        for text in
            ["append.after#2=kill", "tool.before#1=stop", "started.after#3=fail", "accept.before#1=fail"]
        {
            assert_eq!(text.parse::<FailPoint>().map(|point| point.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("claim.after=kill".parse(), "claim.after#1=kill".parse::<FailPoint>());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["append", "append=kill", "append.during=kill", "apend.after=kill", "append.after#0=kill"]
        {
            assert!(FailPoints::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn happens_the_nth_time_only() {
        let points = FailPoints::parse("append.before#2=fail").unwrap();
        let reach = || points.clone().reach(Point::Store(Intent::Append), Moment::Before).is_err();
        assert_eq!([reach(), reach(), reach()], [false, true, false]);
        assert!(points.reach(Point::Store(Intent::Append), Moment::After).is_ok());
    }

    #[test]
    fn an_append_is_named_by_what_it_records() {
        let entries = [NewEntry { kind: EntryKind::ToolStarted, payload: Vec::new() }];
        let call = Call { intent: Intent::Append, replica: None, entries: &entries };
        assert_eq!(points_of(&call), [Point::Store(Intent::Append), Point::Started]);
    }
}
