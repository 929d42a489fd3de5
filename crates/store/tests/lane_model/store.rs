//! The store's side: a session's lane, inbox, log and record of ends. One method is one intent, and happens at once.

use crate::lane::{Batch, Claimed, End, Entry, Fenced, Lease, State};
use crate::variant::Variant;

/// The store, of one session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    variant: Variant,
    pub(crate) state: State,
    pub(crate) epoch: u8,
    /// The keys of the accepted messages, in order.
    pub(crate) inbox: Vec<usize>,
    /// Messages that were answered.
    pub(crate) done: u8,
    head: u8,
    run_base: u8,
    pub(crate) log: Vec<Entry>,
    ends: Vec<End>,
    /// Replicas that live, as far as the store knows, and whether they take new sessions.
    known: Vec<Option<bool>>,
}

impl Store {
    pub(crate) fn new(variant: Variant) -> Self {
        let (inbox, log, ends, known) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { variant, state: State::Idle, epoch: 0, inbox, done: 0, head: 0, run_base: 0, log, ends, known }
    }

    pub(crate) fn variant(&self) -> Variant {
        self.variant
    }

    fn is(&self, variant: Variant) -> bool {
        self.variant == variant
    }

    /// A new replica, under the next id.
    pub(crate) fn join(&mut self) {
        self.known.push(Some(true));
    }

    pub(crate) fn drain(&mut self, replica: usize) {
        self.known[replica] = Some(false);
    }

    pub(crate) fn knows(&self, replica: usize) -> bool {
        self.known[replica].is_some()
    }

    pub(crate) fn is_claimable(&self, replica: usize) -> bool {
        self.known[replica] == Some(true)
    }

    /// Accepts a message, and claims at once for the replica that accepts it if the session is idle.
    pub(crate) fn accept(&mut self, key: usize, replica: usize) -> Option<Claimed> {
        if self.inbox.contains(&key) && !self.is(Variant::NoDedupe) {
            return None;
        }
        self.inbox.push(key);
        if self.state != State::Idle {
            return None;
        }
        self.run_base = self.head;
        self.state = State::Ready;
        self.claim(replica)
    }

    pub(crate) fn claim(&mut self, replica: usize) -> Option<Claimed> {
        let free = match self.state {
            State::Idle => false,
            State::Ready => true,
            State::Running(owner) => self.is(Variant::ClaimsRunning) && owner != replica,
        };
        if !free || !self.is_claimable(replica) {
            return None;
        }
        self.next_epoch(Variant::ClaimKeepsEpoch);
        self.state = State::Running(replica);
        Some(self.claimed(replica))
    }

    fn claimed(&self, replica: usize) -> Claimed {
        let lease = Lease { replica, epoch: self.epoch };
        Claimed { lease, run: self.done + 1, head: self.head }
    }

    fn next_epoch(&mut self, unless: Variant) {
        if !self.is(unless) && !self.is(Variant::NoEpochs) {
            self.epoch += 1;
        }
    }

    /// The guard of every write: replica, epoch, running, and the head that the writer has seen. Returns the lease that
    /// the session is under.
    fn guard(&self, claimed: &Claimed) -> Option<Lease> {
        let State::Running(replica) = self.state else { return None };
        let unfenced = self.is(Variant::NoFence) || self.is(Variant::NoGuard);
        let mine = replica == claimed.lease.replica || unfenced || self.is(Variant::NoReplica);
        let current = self.epoch == claimed.lease.epoch || unfenced || self.is(Variant::NoEpoch);
        let seen = self.head == claimed.head || self.ignores_heads();
        (mine && current && seen).then_some(Lease { replica, epoch: self.epoch })
    }

    fn ignores_heads(&self) -> bool {
        self.is(Variant::NoHead) || self.is(Variant::NoGuard)
    }

    /// Appends entries and advances the head that the writer has seen.
    pub(crate) fn append(&mut self, claimed: &mut Claimed, batch: Batch) -> Result<(), Fenced> {
        if let Some(under) = self.guard(claimed) {
            self.insert(claimed, under, batch);
        } else if !self.is_repeated(claimed, batch) {
            return Err(Fenced);
        }
        claimed.head += batch.len();
        Ok(())
    }

    fn insert(&mut self, claimed: &Claimed, under: Lease, batch: Batch) {
        let head = if self.ignores_heads() { self.head } else { claimed.head };
        for (seq, kind) in (head + 1..).zip(batch.kinds()) {
            self.log.push(Entry { seq, run: claimed.run, kind, by: claimed.lease, under });
        }
        self.head += batch.len();
    }

    /// Exactly these entries of this lease stand behind the head, and the lease is still there.
    fn is_repeated(&self, claimed: &Claimed, batch: Batch) -> bool {
        let Lease { replica, epoch } = claimed.lease;
        let behind = self.log.iter().filter(|entry| entry.seq > claimed.head);
        let behind = behind.map(|entry| (entry.by.epoch, entry.kind));
        !self.is(Variant::RefusesRepeats)
            && behind.eq(batch.kinds().map(|kind| (epoch, kind)))
            && (self.state, self.epoch) == (State::Running(replica), epoch)
    }

    /// Ends a run. Returns the next one if a message waits and the lease is to be kept.
    pub(crate) fn finish(
        &mut self,
        claimed: &Claimed,
        batch: Batch,
        keep: bool,
    ) -> Result<Option<Claimed>, Fenced> {
        let Some(under) = self.guard(claimed) else { return self.repeated(claimed) };
        self.insert(claimed, under, batch);
        if !self.is(Variant::KeepsMessage) {
            self.done = claimed.run;
        }
        self.run_base = self.head;
        let waits = self.waits();
        let next = (waits && keep).then(|| {
            self.next_epoch(Variant::KeptLeaseKeepsEpoch);
            self.claimed(claimed.lease.replica)
        });
        if next.is_none() {
            self.state = if waits { State::Ready } else { State::Idle };
        }
        let kept = next.map(|next| next.lease.epoch);
        self.ends.push(End { run: claimed.run, epoch: claimed.lease.epoch, kept });
        Ok(next)
    }

    /// The guard did not match: either this lease has ended this very run before, or it is gone.
    fn repeated(&self, claimed: &Claimed) -> Result<Option<Claimed>, Fenced> {
        let Lease { replica, epoch } = claimed.lease;
        let mut ends = self.ends.iter().filter(|end| end.run == claimed.run);
        let end = ends.find(|end| end.epoch == epoch || self.is(Variant::TakesAnyEnd)).ok_or(Fenced)?;
        if self.is(Variant::RefusesRepeats) {
            return Err(Fenced);
        }
        let kept = end.kept == Some(self.epoch) || self.is(Variant::HandsOutAnyLease);
        let unwritten = self.state == State::Running(replica) && self.run_base == self.head;
        Ok((unwritten && kept).then(|| self.claimed(replica)))
    }

    /// A message waits to be answered.
    pub(crate) fn waits(&self) -> bool {
        self.inbox.len() > usize::from(self.done)
    }

    /// What a heartbeat lists: the lease that the store thinks a replica holds.
    pub(crate) fn owned(&self, replica: usize) -> Option<Lease> {
        (self.state == State::Running(replica)).then_some(Lease { replica, epoch: self.epoch })
    }

    /// Gives a lease up.
    pub(crate) fn give_up(&mut self, lease: Lease) {
        let any = self.is(Variant::DisownsAnyEpoch);
        if self.owned(lease.replica).is_some_and(|owned| any || owned == lease) {
            self.next_epoch(Variant::ReleaseKeepsEpoch);
            self.state = State::Ready;
        }
    }

    /// Forgets a replica; what it owned is taken from it.
    pub(crate) fn remove(&mut self, replica: usize) {
        self.known[replica] = None;
        if self.state == State::Running(replica) && !self.is(Variant::NoTakeover) {
            self.next_epoch(Variant::TakeoverKeepsEpoch);
            self.state = State::Ready;
        }
    }
}
