//! A model of the lane protocol, explored to its end: every order in which two messages, two replicas, lost answers,
//! deaths, pauses and drains can meet in one session.
//!
//! `store` says what each intent does to the session, as the statements of a real store do, and `replica` what a worker
//! makes of the answers. That a real store does the same is for the conformance suite to say; that it is enough is said
//! here. `variant` takes one thing at a time away: most are then missed, and the others turn out to be second walls.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod action;
mod lane;
mod promises;
mod replica;
mod store;
mod variant;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use crate::variant::Variant;
use crate::world::{Faults, Protocol};

/// Protocols that break a promise, and which.
const BROKEN: [(Variant, &str); 13] = [
    (Variant::NoGuard, promises::EPOCHS_GROW),
    (Variant::NoFence, promises::ONE_WRITER),
    (Variant::NoEpoch, promises::ONE_WRITER),
    (Variant::NoHead, promises::ENTRIES_ONCE),
    (Variant::NoDedupe, promises::ACCEPTED_ONCE),
    (Variant::NoAudit, promises::ANSWERED),
    (Variant::NoTakeover, promises::ANSWERED),
    (Variant::ClaimsRunning, promises::KEPT),
    (Variant::KeepsMessage, promises::ENTRIES_ONCE),
    (Variant::TakesAnyEnd, promises::SHOWN_AS_LOGGED),
    (Variant::HandsOutAnyLease, promises::ONE_DRIVER),
    (Variant::ClaimKeepsEpoch, promises::ONE_DRIVER),
    (Variant::NoEpochs, promises::ONE_DRIVER),
];

/// Protocols that break none, and why: what they lack makes things fast, or is a second wall.
const COVERED: [(Variant, &str); 6] = [
    (
        Variant::NoReplica,
        "epochs are never given twice; a store that came back older than it was could do so",
    ),
    (Variant::RefusesRepeats, "the audit finds the lease, and the next owner goes on from the log"),
    (Variant::DisownsAnyEpoch, "a lease that is given up by mistake costs a takeover"),
    (
        Variant::TakeoverKeepsEpoch,
        "a session without an owner takes no write, and the next claim has a new epoch",
    ),
    (
        Variant::ReleaseKeepsEpoch,
        "a session without an owner takes no write, and the next claim has a new epoch",
    ),
    (Variant::KeptLeaseKeepsEpoch, "the run and the head tell a kept lease from the one before"),
];

/// Goes every way, or until a promise of `stop` is broken.
fn explore(variant: Variant, faults: Faults, stop: HasDiscoveries) -> impl Checker<Protocol> {
    Protocol { variant, faults }.checker().threads(2).finish_when(stop).spawn_bfs().join()
}

/// All promises are kept, and what must be reachable is reached. Returns the number of states.
fn assert_sound(variant: Variant, faults: Faults) -> usize {
    let checker = explore(variant, faults, HasDiscoveries::AnyFailures);
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn two_lost_answers_and_a_fall_break_nothing() {
    let states = assert_sound(Variant::Sound, Faults { lost: 2, falls: 1 });
    assert_eq!(states, 137_792, "the model was changed: is it as large as it should be?");
}

#[test]
fn two_falls_and_a_lost_answer_break_nothing() {
    let states = assert_sound(Variant::Sound, Faults { lost: 1, falls: 2 });
    assert_eq!(states, 119_734, "the model was changed: is it as large as it should be?");
}

#[test]
fn what_the_protocol_needs_is_missed() {
    for (variant, promise) in BROKEN {
        let stop = HasDiscoveries::AnyOf([promise].into());
        let checker = explore(variant, Faults { lost: 1, falls: 1 }, stop);
        assert!(checker.discovery(promise).is_some(), "{variant:?}: \"{promise}\" was kept");
    }
}

#[test]
fn what_is_covered_by_others_is_not_missed() {
    for (variant, why) in COVERED {
        let states = assert_sound(variant, Faults { lost: 1, falls: 1 });
        println!("{variant:?}, {states} states: {why}");
    }
}
