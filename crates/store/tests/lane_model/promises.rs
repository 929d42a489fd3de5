//! What must always hold, what every way must lead to, and what must be reachable lest the rest hold for nothing.

use stateright::Property;

use crate::lane::{Entry, Kind, State};
use crate::world::{Protocol, World};

pub(crate) const ACCEPTED_ONCE: &str = "a message is accepted once";
pub(crate) const ACKNOWLEDGED: &str = "what is acknowledged is in the inbox";
pub(crate) const NO_GAP: &str = "positions have no gap";
pub(crate) const EPOCHS_GROW: &str = "epochs never go back";
pub(crate) const ENTRIES_ONCE: &str = "a run is its message, its steps and its end, each once";
pub(crate) const IN_ORDER: &str = "runs follow each other in the order of acceptance";
pub(crate) const ONE_WRITER: &str = "only the holder of the lease writes";
pub(crate) const ONE_DRIVER: &str = "a lease has one driver";
pub(crate) const SHOWN_AS_LOGGED: &str = "the end that is shown is the end in the log";
pub(crate) const KEPT: &str = "no lease is lost without a fault";
pub(crate) const ANSWERED: &str = "every message is answered, and no lease is left";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    let always = Property::<Protocol>::always;
    let sometimes = Property::<Protocol>::sometimes;
    vec![
        always(ACCEPTED_ONCE, |_, world| {
            let inbox = &world.store.inbox;
            inbox.iter().enumerate().all(|(n, key)| !inbox[..n].contains(key))
        }),
        always(ACKNOWLEDGED, |_, world| {
            let mut acknowledged = (0..).zip(world.acknowledged).filter(|(_, is)| *is);
            acknowledged.all(|(sender, _)| world.store.inbox.contains(&sender))
        }),
        always(NO_GAP, |_, world| (1..).zip(&world.store.log).all(|(seq, entry)| entry.seq == seq)),
        always(EPOCHS_GROW, |_, world| world.store.log.is_sorted_by_key(|entry| entry.by.epoch)),
        always(ENTRIES_ONCE, |_, world| runs(world).all(|run| is_run(&entries(world, run)))),
        always(IN_ORDER, |_, world| world.store.log.is_sorted_by_key(|entry| entry.run)),
        always(ONE_WRITER, |_, world| world.store.log.iter().all(|entry| entry.by == entry.under)),
        always(ONE_DRIVER, |_, world| {
            let leases = || {
                world.replicas.iter().flat_map(|replica| &replica.drivers).map(|driver| driver.claimed.lease)
            };
            leases().all(|lease| leases().filter(|other| *other == lease).count() == 1)
        }),
        always(SHOWN_AS_LOGGED, |_, world| {
            let logged = |run, lease| {
                move |entry: &Entry| (entry.run, entry.kind, entry.by) == (run, Kind::Final, lease)
            };
            world.shown.iter().all(|(run, lease)| world.store.log.iter().any(logged(*run, *lease)))
        }),
        always(KEPT, |protocol, world| {
            let drivers = world.replicas.iter().flat_map(|replica| &replica.drivers);
            let mut leases = drivers.map(|driver| driver.claimed.lease);
            world.faults != protocol.faults
                || leases.all(|lease| world.store.owned(lease.replica) == Some(lease))
        }),
        // Once this holds it holds for ever, and no way is endless, so it is enough that it has held at the end.
        Property::<Protocol>::eventually(ANSWERED, |_, world| is_answered(world)),
        sometimes("a run goes on under another lease", |_, world| {
            world.store.log.windows(2).any(|pair| pair[0].run == pair[1].run && pair[0].by != pair[1].by)
        }),
        sometimes("a zombie drives a run beside its new owner", |_, world| {
            let driving = world.replicas.iter().filter(|replica| !replica.drivers.is_empty());
            driving.count() == 2
        }),
        sometimes("all is answered though all went wrong", |_, world| {
            (world.faults.lost, world.faults.falls) == (0, 0) && is_answered(world)
        }),
    ]
}

fn runs(world: &World) -> impl Iterator<Item = u8> {
    (1..).take(world.store.inbox.len())
}

fn entries(world: &World, run: u8) -> Vec<Kind> {
    world.store.log.iter().filter(|entry| entry.run == run).map(|entry| entry.kind).collect()
}

/// The message, the steps so far, and perhaps the end.
fn is_run(entries: &[Kind]) -> bool {
    let steps = entries.strip_suffix(&[Kind::Final]).unwrap_or(entries);
    steps.iter().copied().eq([Kind::Message].into_iter().chain((1..).map(Kind::Step)).take(steps.len()))
}

/// All senders have their acknowledgement, all runs have one end, and nobody holds the session.
pub(crate) fn is_answered(world: &World) -> bool {
    let ends = |run| entries(world, run).iter().filter(|kind| **kind == Kind::Final).count();
    world.acknowledged == [true; 2]
        && world.store.state == State::Idle
        && runs(world).all(|run| ends(run) == 1)
}
