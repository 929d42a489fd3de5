//! Schedules: messages that the clock sends, each tick of them once in all replicas.
//!
//! The store does not know when a schedule is due: whoever fires a tick also says when the next one is. What makes a
//! tick happen once is that firing it is one transaction, which accepts the message and moves the plan on, and which
//! happens only if the plan is still the one that it was made from.

use regrow_protocol::{RunId, ScheduleId, Seq, SessionKey};

/// A schedule as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// The session that its messages belong to.
    pub session: SessionKey,
    /// What its owner knows about it, opaque to the store.
    pub spec: String,
    /// The message, opaque to the store.
    pub body: Vec<u8>,
    /// When it is due next: milliseconds since 1970, by the store's clock. A schedule without it fires only by hand.
    pub due_at: Option<i64>,
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleView {
    /// The schedule.
    pub schedule: Schedule,
    /// What was put last: a number that no schedule of this store had before or will have again.
    pub revision: i64,
    /// What became of its last firing.
    pub last: Option<LastFiring>,
}

/// What became of a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFiring {
    /// When: milliseconds since 1970, by the store's clock.
    pub at: i64,
    /// How.
    pub outcome: FiringOutcome,
    /// The last run that this schedule opened, now or earlier.
    pub run: Option<RunId>,
}

/// What became of a firing. The numbers are persisted and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FiringOutcome {
    /// The message was accepted.
    Accepted,
    /// The session had as many messages as it may have.
    Full,
    /// It was left out on purpose: nobody was there when it was due.
    Missed,
}

impl FiringOutcome {
    /// The persisted number.
    pub fn code(self) -> u8 {
        match self {
            Self::Accepted => 1,
            Self::Full => 2,
            Self::Missed => 3,
        }
    }

    /// The outcome with this persisted number. What a newer release wrote counts as missed: never taken for a message.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Accepted,
            2 => Self::Full,
            _ => Self::Missed,
        }
    }
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The store's time, by which this was decided.
    pub now: i64,
    /// Schedules that are due, the one that waits longest first.
    pub schedules: Vec<ScheduleView>,
    /// When the next one after `now` is.
    pub next_at: Option<i64>,
}

/// The intent to fire a schedule.
#[derive(Debug, Clone)]
pub struct Firing {
    /// The schedule.
    pub schedule: ScheduleId,
    /// The revision that this was made from.
    pub revision: i64,
    /// The tick; a firing by hand has none, and leaves the plan as it is.
    pub tick: Option<Tick>,
    /// The id of the message, and of the run that it opens.
    pub message: RunId,
    /// The most messages of its session that may wait or run at once. With 0 the tick is left out.
    pub cap: u32,
}

/// One tick and what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it was due, as the schedule says.
    pub due_at: i64,
    /// What comes after it.
    pub next: Next,
    /// When the schedule is due next if the session is full.
    pub if_full: Option<i64>,
}

/// What comes after a tick whose message was accepted, or that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another tick.
    At(i64),
    /// Nothing; the schedule stays, to be seen.
    Never,
    /// Nothing; the schedule goes once its message was accepted.
    Remove,
}

impl Next {
    /// When the schedule is due next.
    pub fn due_at(self) -> Option<i64> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::Remove => None,
        }
    }
}

impl Firing {
    /// The idempotency key of its message: one for each tick, and one for each firing by hand.
    pub fn key(&self) -> String {
        match &self.tick {
            Some(tick) => format!("schedule:{}:{}", self.schedule, tick.due_at),
            None => format!("schedule:{}:run:{}", self.schedule, self.message),
        }
    }
}

/// What became of the intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    /// The message is committed, now or (if only the plan had not moved on) before.
    Accepted {
        /// It and the run that it opens.
        message: RunId,
        /// Its position in the inbox.
        seq: Seq,
    },
    /// There was no message, and the schedule shows it.
    Skipped {
        /// How many messages of the session wait or run.
        waiting: u32,
    },
    /// The plan is another one now: this tick was fired (perhaps by this very intent, whose answer was lost), or the
    /// schedule was changed or removed. Nothing was written.
    Stale,
}
