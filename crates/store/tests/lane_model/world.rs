//! Everything at once: the store, the replicas, the senders of two messages, and what may yet go wrong.

use stateright::{Model, Property};

use crate::action::Action;
use crate::lane::Lease;
use crate::promises;
use crate::replica::Replica;
use crate::store::Store;
use crate::variant::Variant;

/// Replicas that there should be.
const REPLICAS: usize = 2;

/// Senders of one message each.
const SENDERS: usize = 2;

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Answers of the store that never arrive, or too late. The intent was carried out.
    pub(crate) lost: u8,
    /// Replicas that die, are paused for longer than their lease, or drain.
    pub(crate) falls: u8,
}

/// A protocol, and the faults that it has to stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) variant: Variant,
    pub(crate) faults: Faults,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Replica>,
    /// The senders that know that their message was accepted. The others ask again, with the same key.
    pub(crate) acknowledged: [bool; SENDERS],
    /// The ends that replicas have shown to their followers, and the lease under which they did.
    pub(crate) shown: Vec<(u8, Lease)>,
    /// What may still go wrong.
    pub(crate) faults: Faults,
}

impl World {
    fn new(protocol: &Protocol) -> Self {
        let (replicas, shown) = (Vec::new(), Vec::new());
        let (store, faults) = (Store::new(protocol.variant), protocol.faults);
        let mut world = Self { store, replicas, acknowledged: [false; SENDERS], shown, faults };
        (0..REPLICAS).for_each(|_| world.join());
        world
    }

    pub(crate) fn join(&mut self) {
        self.store.join();
        self.replicas.push(Replica::new());
    }

    /// A replica takes new sessions.
    fn has_able_replica(&self) -> bool {
        (0..).zip(&self.replicas).any(|(id, replica)| replica.acts && self.store.is_claimable(id))
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // Until the first message is accepted, the replicas are alike and so are the senders.
        if world.store.inbox.is_empty() {
            return world.accepts(0, 0, actions);
        }
        // What could still go wrong would be missed by nobody.
        if promises::is_answered(world) && world.replicas.iter().all(Replica::is_free) {
            return;
        }
        for id in 0..world.replicas.len() {
            world.acts(id, actions);
        }
        if !world.has_able_replica() {
            actions.push(Action::Join);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.perform(action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}
