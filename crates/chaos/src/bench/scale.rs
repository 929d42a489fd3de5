//! How much is done in each part: enough for stable figures, or just enough for a glance.

use std::time::Duration;

/// How much is done in each part.
#[derive(Debug, Clone)]
pub struct Scale {
    /// What this scale is called in the report.
    pub name: &'static str,
    /// How often a replica is started.
    pub starts: usize,
    /// How long a gateway rests before its memory is read.
    pub rest: Duration,
    /// Idle sessions, whose memory is read.
    pub sessions: usize,
    /// Streams that are open at once.
    pub streams: usize,
    /// How long each of them goes on.
    pub stream_time: Duration,
    /// Turns that warm a gateway up.
    pub warm_up: usize,
    /// Pairs of a turn and the same question to the model.
    pub pairs: usize,
    /// Rounds of a closed loop; in each round all rows have their turn.
    pub slices: usize,
    /// How long a row is loaded in one round.
    pub slice: Duration,
    /// Turns that are sent in one moment.
    pub burst: usize,
    /// How long an open loop sends.
    pub open: Duration,
    /// Replicas ended by SIGKILL in mid-reply.
    pub kills: usize,
    /// Replicas ended by SIGTERM in mid-reply.
    pub hand_overs: usize,
    /// Replicas paused by SIGSTOP in mid-reply, beyond their lease.
    pub pauses: usize,
    /// Runs that are under way at once over several replicas.
    pub fleet: usize,
    /// The turns of a session that are compared, in rising order.
    pub history: Vec<usize>,
    /// Sessions for each of them.
    pub history_sessions: usize,
    /// Neighbouring turns that are timed, each in each session.
    pub history_turns: usize,
}

impl Scale {
    /// For figures that are published: a few minutes.
    pub fn full() -> Self {
        Self {
            name: "full",
            starts: 11,
            rest: Duration::from_secs(3),
            sessions: 10_000,
            streams: 2_000,
            stream_time: Duration::from_secs(8),
            warm_up: 100,
            pairs: 600,
            slices: 3,
            slice: Duration::from_secs(2),
            burst: 2_000,
            open: Duration::from_secs(8),
            kills: 20,
            hand_overs: 10,
            pauses: 10,
            fleet: 5_000,
            history: vec![10, 100, 1_000],
            history_sessions: 12,
            history_turns: 15,
        }
    }

    /// For a glance: some 20 seconds.
    pub fn quick() -> Self {
        Self {
            name: "quick",
            starts: 3,
            rest: Duration::from_millis(500),
            sessions: 1_000,
            streams: 500,
            stream_time: Duration::from_secs(2),
            warm_up: 20,
            pairs: 60,
            slices: 1,
            slice: Duration::from_millis(400),
            burst: 500,
            open: Duration::from_secs(1),
            kills: 3,
            hand_overs: 1,
            pauses: 1,
            fleet: 1_000,
            history: vec![10, 100, 1_000],
            history_sessions: 1,
            history_turns: 11,
        }
    }
}
