//! Trials over PostgreSQL: all harm at once breaks no promise, and broken protocols are found out there too.

use std::time::Duration;

use regrow_chaos::history::Promise;
use regrow_chaos::trial::{self, Breaks, Options};

use crate::scene::PROGRAM;

/// Trials until a broken protocol must have been found out; each is another one.
const TRIALS: u64 = 4;

#[tokio::test]
async fn no_promise_is_broken_while_replicas_the_network_and_the_store_fail() {
    let breaks =
        Breaks { cuts: 2, black_holes: 1, late: 1, lost_answers: 2, store_restarts: 1, fail_overs: 1 };
    let options = Options { postgres: Some(breaks), ..Options::new(PROGRAM.into(), 4, 2) };
    let report = trial::run(options).await.unwrap();
    assert!(report.is_clean(), "{}\n{report}", report.logs);
    // Otherwise nothing was tried.
    assert!(report.repeated_calls > 0 && report.refused > 0 && report.probes > 0, "{report}");
}

/// Tries a broken protocol until one of these promises is broken.
async fn is_found(mutant: &str, breaks: Breaks, promises: &[Promise]) {
    let is_symptom = |violation: &String| promises.iter().any(|p| violation.starts_with(&p.to_string()));
    let mut seen: Vec<String> = Vec::new();
    let mut seeds = 1..=TRIALS;
    while !seen.iter().any(is_symptom)
        && let Some(seed) = seeds.next()
    {
        let options = Options {
            seed,
            mutant: Some(mutant.to_owned()),
            postgres: Some(breaks),
            patience: Duration::from_secs(6),
            messages: 14,
            ..Options::new(PROGRAM.into(), 0, 0)
        };
        seen.extend(trial::run(options).await.unwrap().violations);
    }
    assert!(seen.iter().any(is_symptom), "{mutant} was not found out in {TRIALS} trials: {seen:#?}");
}

#[tokio::test]
async fn acknowledgement_before_commit_is_found_when_the_store_crashes() {
    let breaks = Breaks { store_restarts: 2, ..Breaks::default() };
    let promises = [Promise::AcceptedOnce, Promise::AnsweredOnce];
    is_found("AcksEarly", breaks, &promises).await;
}

#[tokio::test]
async fn no_epoch_check_is_found_when_writes_arrive_late() {
    let breaks = Breaks { late: 5, ..Breaks::default() };
    let promises = [Promise::AcceptedOnce, Promise::AnsweredOnce, Promise::InOrder, Promise::OneWriter];
    is_found("NoFence", breaks, &promises).await;
}
