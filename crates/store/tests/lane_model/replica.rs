//! The replica's side: what it waits for, what it drives, and what it writes next.

use crate::lane::{Batch, Claimed, Kind, Lease};
use crate::store::Store;

/// Steps of each run, from the first message to the last.
const STEPS: [u8; 2] = [2, 1];

/// A replica in one of its lives. A process that joins again is another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    /// The process is there. What the store thinks of it is another matter.
    pub(crate) acts: bool,
    /// A lease that was granted, and whose grant has not arrived.
    pub(crate) grant: Option<Claimed>,
    /// The runs that it drives. Of two, one has lost its lease.
    pub(crate) drivers: Vec<Driver>,
    /// A lease that the audit will give up.
    pub(crate) suspect: Option<Lease>,
}

impl Replica {
    pub(crate) fn new() -> Self {
        Self { acts: true, ..Self::default() }
    }

    /// The process is gone, with all that it knew.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// Has nothing in hand.
    pub(crate) fn is_free(&self) -> bool {
        self.grant.is_none() && self.drivers.is_empty()
    }

    pub(crate) fn drives(&self, lease: Lease) -> bool {
        self.drivers.iter().any(|driver| driver.claimed.lease == lease)
    }
}

/// A guarded write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    Append(Batch),
    Finish { batch: Batch, keep: bool },
}

/// A run that is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Driver {
    pub(crate) claimed: Claimed,
    /// Steps that it knows to be in the log.
    steps: u8,
    /// The write whose answer was lost. It is repeated as it is until it is answered.
    pub(crate) unanswered: Option<Write>,
}

/// What a driver learns from the answer to a write.
pub(crate) enum Answer {
    /// It goes on, with this run or, under a kept lease, the next one.
    Goes(Driver),
    /// The run has ended.
    Ended,
    /// The lease is gone: the run is dropped without a word.
    Fenced,
}

impl Driver {
    /// Reads the journal up to the head of the claim.
    pub(crate) fn new(claimed: Claimed, store: &Store) -> Self {
        let seen = store.log.iter().filter(|entry| entry.seq <= claimed.head && entry.run == claimed.run);
        let steps = seen.filter(|entry| matches!(entry.kind, Kind::Step(_))).count();
        Self { claimed, steps: u8::try_from(steps).unwrap(), unanswered: None }
    }

    /// The next write: the one that is unanswered, the next step, or the end.
    pub(crate) fn next(&self, keep: bool) -> Write {
        let steps = STEPS.get(usize::from(self.claimed.run - 1)).copied().unwrap_or(0);
        let next = if self.steps < steps {
            Write::Append(self.batch(Kind::Step(self.steps + 1)))
        } else {
            Write::Finish { batch: self.batch(Kind::Final), keep }
        };
        self.unanswered.unwrap_or(next)
    }

    fn batch(&self, last: Kind) -> Batch {
        Batch { message: self.steps == 0, last }
    }

    /// Gives up a write that the store refuses for good: the run is to end as failed.
    pub(crate) fn fail(&mut self) {
        self.unanswered = Some(Write::Finish { batch: self.batch(Kind::Final), keep: true });
    }

    /// Performs a write and takes the answer in.
    pub(crate) fn write(mut self, store: &mut Store, write: Write) -> Answer {
        self.unanswered = None;
        match write {
            Write::Append(batch) => match store.append(&mut self.claimed, batch) {
                Ok(()) => {
                    self.steps += 1;
                    Answer::Goes(self)
                }
                Err(_) => Answer::Fenced,
            },
            Write::Finish { batch, keep } => match store.finish(&self.claimed, batch, keep) {
                Ok(Some(next)) => Answer::Goes(Self::new(next, store)),
                Ok(None) => Answer::Ended,
                Err(_) => Answer::Fenced,
            },
        }
    }
}
