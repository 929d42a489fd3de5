//! The property tests must be able to fail: each broken store is found out. This is about the tests, not the back-end, so
//! it is done on the one that is opened fastest.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use regrow_faults::Mutant;

use crate::conformance::crowd;
use crate::conformance::harness::Harness;
use crate::conformance::history::Violation;
use crate::conformance::interleaving::perform;
use crate::conformance::script::script;
use crate::harness::SqliteHarness;

/// Scripts until a mutant must have been found; they are the same each time.
const SCRIPTS: usize = 60;

/// Crowds until a mutant must have been found; each is another one.
const CROWDS: u64 = 6;

/// Those that are wrong without a clock.
const ALL: [Mutant; 14] = [
    Mutant::NoDedupe,
    Mutant::ForgetsMessages,
    Mutant::RefusesAndKeeps,
    Mutant::ForgetsEntries,
    Mutant::WritesTwice,
    Mutant::ForgetsEnds,
    Mutant::SwallowsFences,
    Mutant::NeverReaps,
    Mutant::SkipsEntries,
    Mutant::ClaimsTwice,
    Mutant::IgnoresDrain,
    Mutant::ListsNothing,
    Mutant::HidesDeath,
    Mutant::HidesAborts,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mutant_is_found_by_the_interleavings() {
    for mutant in ALL {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut found = Vec::new();
        for _ in 0..SCRIPTS {
            let acts = script().new_tree(&mut runner).unwrap().current();
            found = perform(&SqliteHarness::open().await, Some(mutant), &acts).await;
            if !found.is_empty() {
                break;
            }
        }
        assert!(!found.is_empty(), "{mutant:?} was not found");
    }
}

/// What a crowd must say of a mutant; it has no model, so it sees only broken promises.
fn symptom(mutant: Mutant, found: &Violation) -> bool {
    match mutant {
        Mutant::NoDedupe => matches!(found, Violation::AcceptedTwice(_)),
        Mutant::ForgetsMessages => matches!(found, Violation::Lost(_)),
        Mutant::RefusesAndKeeps => matches!(found, Violation::Phantom(_)),
        Mutant::ForgetsEntries | Mutant::SwallowsFences => matches!(found, Violation::EntryLost(..)),
        Mutant::WritesTwice => matches!(found, Violation::StepRepeated(_)),
        Mutant::ForgetsEnds | Mutant::NeverReaps => matches!(found, Violation::NotAnswered(_)),
        Mutant::SkipsEntries => matches!(found, Violation::Gap(_)),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mutant_is_found_by_the_crowd() {
    for mutant in ALL.into_iter().take(9) {
        let mut seen = BTreeSet::new();
        for seed in 1..=CROWDS {
            let found = crowd::run::<SqliteHarness>(Some(mutant), seed, 12).await;
            if found.iter().any(|violation| symptom(mutant, violation)) {
                seen.clear();
                break;
            }
            seen.extend(found.iter().map(|violation| format!("{violation:?}")));
            assert!(seed < CROWDS, "{mutant:?} was not found, only {seen:?}");
        }
    }
}
