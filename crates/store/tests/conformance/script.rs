//! Random scripts: what replicas, clients, time and death do, in which order.

use proptest::prelude::*;

/// Replicas that act.
pub(crate) const SLOTS: usize = 3;

/// Sessions that they share.
pub(crate) const SESSIONS: [&str; 3] = ["a", "b", "c"];

/// The most messages that may wait or run in a session.
pub(crate) const CAP: u32 = 4;

/// One thing that happens. Numbers are taken modulo what there is; leases and runs count from the latest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Accept {
        slot: usize,
        session: usize,
        key: Option<u8>,
        claim: bool,
    },
    Claim {
        slot: usize,
        most: usize,
    },
    Append {
        lease: usize,
        entries: usize,
        compact: bool,
    },
    Finish {
        lease: usize,
        keep: bool,
    },
    Release {
        lease: usize,
    },
    Disown {
        lease: usize,
        slot: usize,
    },
    /// The last write again: its answer was lost.
    Repeat,
    Heartbeat {
        slot: usize,
    },
    Lapse {
        slot: usize,
    },
    Crash {
        slot: usize,
    },
    Leave {
        slot: usize,
    },
    Drain {
        slot: usize,
    },
    /// A replica that is gone comes back under a new id.
    Rejoin {
        slot: usize,
    },
    Reap,
    Abort {
        run: usize,
    },
    Reset {
        session: usize,
    },
}

pub(crate) fn script() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(act(), 1..80)
}

fn act() -> impl Strategy<Value = Act> {
    let (slot, session) = (0..SLOTS, 0..SESSIONS.len());
    // Mostly the latest leases, sometimes one that is long gone.
    let lease = || prop_oneof![6 => 0..3_usize, 2 => 0..40_usize];
    prop_oneof![
        8 => (slot.clone(), session.clone(), prop::option::of(0..4_u8), any::<bool>())
            .prop_map(|(slot, session, key, claim)| Act::Accept { slot, session, key, claim }),
        6 => (slot.clone(), 0..4_usize).prop_map(|(slot, most)| Act::Claim { slot, most }),
        8 => (lease(), 0..3_usize, prop::bool::weighted(0.2))
            .prop_map(|(lease, entries, compact)| Act::Append { lease, entries, compact }),
        7 => (lease(), any::<bool>()).prop_map(|(lease, keep)| Act::Finish { lease, keep }),
        2 => lease().prop_map(|lease| Act::Release { lease }),
        1 => (lease(), slot.clone()).prop_map(|(lease, slot)| Act::Disown { lease, slot }),
        6 => Just(Act::Repeat),
        2 => slot.clone().prop_map(|slot| Act::Heartbeat { slot }),
        3 => slot.clone().prop_map(|slot| Act::Lapse { slot }),
        2 => slot.clone().prop_map(|slot| Act::Crash { slot }),
        1 => slot.clone().prop_map(|slot| Act::Leave { slot }),
        1 => slot.clone().prop_map(|slot| Act::Drain { slot }),
        6 => slot.prop_map(|slot| Act::Rejoin { slot }),
        4 => Just(Act::Reap),
        2 => (0..20_usize).prop_map(|run| Act::Abort { run }),
        1 => session.prop_map(|session| Act::Reset { session }),
    ]
}
