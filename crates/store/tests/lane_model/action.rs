//! What may happen next, and what it does.
//!
//! Each action spends a fault, adds to what the store holds, lets the epoch grow, or takes something off a replica's
//! hands. So nothing goes on for ever, and every way ends in a state where nothing is left to do.

use crate::lane::{Lease, State};
use crate::replica::{Answer, Driver, Write};
use crate::variant::Variant;
use crate::world::World;

/// What one of them does. The first number is the replica, the second one of its drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A sender's message is accepted; the answer arrives or not.
    Accept { replica: usize, sender: usize, heard: bool },
    /// A ready session is claimed; the grant is on its way.
    Claim(usize),
    /// The grant arrives.
    Begin(usize),
    /// The grant never arrives.
    Lose(usize),
    /// A driver writes what comes next, or what is unanswered; the answer arrives or not.
    Write { replica: usize, driver: usize, keep: bool, heard: bool },
    /// A driver gives an unanswered step up, and the run is to end as failed. (An end is not given up here: that
    /// the store refuses another end under the same lease is a case of the conformance suite.)
    Fail(usize, usize),
    /// A heartbeat lists a lease that the replica does not drive.
    Suspect(usize),
    /// The audit gives that lease up.
    Disown(usize),
    /// A heartbeat does not list a lease that the replica drives.
    Drop(usize, usize),
    /// The process dies.
    Die(usize),
    /// The store forgets a replica that is gone, or one that only seems so: a zombie.
    Reap(usize),
    /// The replica takes nothing new.
    Drain(usize),
    /// It gives a lease up between two writes.
    HandOver(usize, usize),
    /// It has nothing left, and leaves.
    Leave(usize),
    /// Another replica starts.
    Join,
}

impl World {
    /// A sender that does not know that its message was accepted asks, perhaps again.
    pub(crate) fn accepts(&self, replica: usize, sender: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Accept { replica, sender, heard: true });
        if self.faults.lost > 0 {
            actions.push(Action::Accept { replica, sender, heard: false });
        }
    }

    /// What a replica may do, and what may be done to it.
    pub(crate) fn acts(&self, id: usize, actions: &mut Vec<Action>) {
        let (replica, known, able) = (&self.replicas[id], self.store.knows(id), self.store.is_claimable(id));
        let (drains, lost) = (known && !able, self.faults.lost > 0);
        // One with nothing in hand would not be missed.
        let falls = self.faults.falls > 0 && (!replica.is_free() || self.store.owned(id).is_some());
        let mut may = |possible: bool, action: Action| actions.extend(possible.then_some(action));
        may(known && (falls || !replica.acts), Action::Reap(id));
        if !replica.acts {
            return;
        }
        let waits = replica.grant.is_some();
        may(able && !waits && self.store.state != State::Idle, Action::Claim(id));
        may(waits, Action::Begin(id));
        may(waits && lost, Action::Lose(id));
        may(self.suspect(id).is_some(), Action::Suspect(id));
        may(replica.suspect.is_some(), Action::Disown(id));
        may(falls, Action::Die(id));
        may(falls && able, Action::Drain(id));
        may(drains && replica.is_free(), Action::Leave(id));
        for (n, driver) in replica.drivers.iter().enumerate() {
            let (lease, settled) = (driver.claimed.lease, driver.unanswered.is_none());
            may(matches!(driver.unanswered, Some(Write::Append(_))), Action::Fail(id, n));
            may(self.store.owned(id) != Some(lease), Action::Drop(id, n));
            may(drains && settled, Action::HandOver(id, n));
            // Whether a lease is kept matters only to an end that is written for the first time.
            let ends = settled && matches!(driver.next(true), Write::Finish { .. });
            for keep in [true, false] {
                let write = |heard| Action::Write { replica: id, driver: n, keep, heard };
                let differs = if keep { !drains } else { drains || ends && self.store.inbox.len() > 1 };
                may(differs, write(true));
                may(differs && settled && lost, write(false));
            }
        }
        if !waits && !drains {
            let unheard = (0..self.acknowledged.len()).filter(|sender| !self.acknowledged[*sender]);
            unheard.for_each(|sender| self.accepts(id, sender, actions));
        }
    }

    /// A lease that the store lists for a replica that does not drive it, and that the audit may find leaked. If its
    /// grant is only late, that is a fault.
    fn suspect(&self, id: usize) -> Option<Lease> {
        let lease = self.store.owned(id).filter(|_| self.store.variant() != Variant::NoAudit)?;
        let replica = &self.replicas[id];
        let late = replica.grant.is_some_and(|grant| grant.lease == lease);
        let unknown = !replica.drives(lease) && replica.suspect != Some(lease);
        (unknown && (!late || self.faults.lost > 0)).then_some(lease)
    }

    /// Carries an action out. One that changes nothing is none.
    pub(crate) fn perform(&mut self, action: Action) {
        match action {
            Action::Accept { replica, sender, heard } => self.accept(replica, sender, heard),
            Action::Claim(id) => self.replicas[id].grant = self.store.claim(id),
            Action::Begin(id) => {
                let driver = self.replicas[id].grant.take().map(|grant| Driver::new(grant, &self.store));
                self.replicas[id].drivers.extend(driver);
            }
            Action::Lose(id) => {
                self.faults.lost -= 1;
                self.replicas[id].grant = None;
            }
            Action::Write { replica, driver, keep, heard: true } => self.write(replica, driver, keep),
            Action::Write { replica, driver, keep, heard: false } => {
                self.write_unheard(replica, driver, keep)
            }
            Action::Fail(id, n) => self.replicas[id].drivers[n].fail(),
            Action::Suspect(id) => {
                let suspect = self.suspect(id);
                let grant = self.replicas[id].grant.map(|grant| grant.lease);
                self.faults.lost -= u8::from(grant == suspect);
                self.replicas[id].suspect = suspect;
            }
            Action::Disown(id) => {
                let suspect = self.replicas[id].suspect.take();
                suspect.into_iter().for_each(|lease| self.store.give_up(lease));
            }
            Action::Drop(id, n) => drop(self.replicas[id].drivers.remove(n)),
            Action::Die(id) => {
                self.faults.falls -= 1;
                self.replicas[id].end();
            }
            Action::Reap(id) => {
                self.faults.falls -= u8::from(self.replicas[id].acts);
                self.store.remove(id);
            }
            Action::Drain(id) => {
                self.faults.falls -= 1;
                self.store.drain(id);
            }
            Action::HandOver(id, n) => {
                let driver = self.replicas[id].drivers.remove(n);
                self.store.give_up(driver.claimed.lease);
            }
            Action::Leave(id) => self.store.remove(id),
            Action::Join => self.join(),
        }
        self.rest();
    }

    /// A replica that has left or been forgotten goes once it has nothing in hand: its next life has another id.
    fn rest(&mut self) {
        for (id, replica) in self.replicas.iter_mut().enumerate() {
            if !self.store.knows(id) && replica.is_free() {
                replica.end();
            }
        }
    }

    fn accept(&mut self, replica: usize, sender: usize, heard: bool) {
        let before = self.store.inbox.len();
        let grant = self.store.accept(sender, replica);
        if heard {
            self.acknowledged[sender] = true;
            self.replicas[replica].grant = grant;
        } else if self.store.inbox.len() > before {
            self.faults.lost -= 1;
        }
    }

    fn write(&mut self, replica: usize, n: usize, keep: bool) {
        let driver = self.replicas[replica].drivers.remove(n);
        let (write, claimed) = (driver.next(keep), driver.claimed);
        let answer = driver.write(&mut self.store, write);
        if matches!((write, &answer), (Write::Finish { .. }, Answer::Ended | Answer::Goes(_))) {
            self.shown.push((claimed.run, claimed.lease));
        }
        if let Answer::Goes(driver) = answer {
            self.replicas[replica].drivers.insert(n, driver);
        }
    }

    /// The write is carried out and the driver does not know.
    fn write_unheard(&mut self, replica: usize, n: usize, keep: bool) {
        let driver = &mut self.replicas[replica].drivers[n];
        let write = driver.next(keep);
        let before = self.store.clone();
        let _ = driver.write(&mut self.store, write);
        if self.store != before {
            self.faults.lost -= 1;
            driver.unanswered = Some(write);
        }
    }
}
