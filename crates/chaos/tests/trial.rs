//! Trials of replicas that end and stop themselves at named boundaries, and of protocols that are broken on purpose: what
//! judges must be seen to fail.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use regrow_chaos::history::Promise;
use regrow_chaos::trial::{self, Boundary, Options};

const PROGRAM: &str = env!("CARGO_BIN_EXE_regrow-faulty");

/// Trials until a broken protocol must have been found out; each is another one.
const TRIALS: u64 = 8;

#[tokio::test]
async fn no_promise_is_broken_at_any_boundary() {
    let options = Options { boundaries: trial::ANYWHERE, ..Options::new(PROGRAM.into(), 12, 6) };
    let report = trial::run(options).await.unwrap();
    assert!(report.is_clean(), "{}\n{report}", report.logs);
}

/// Where a replica must stand still to become a zombie that writes: its lease was looked at, and nothing is written yet.
const ABOUT_TO_WRITE: &[Boundary] = &[("finish.before=stop", 4), ("finish.before=stop", 12)];

/// Tries a broken protocol until one of these promises is broken. Others may be broken as well.
async fn is_found(mutant: &str, boundaries: &'static [Boundary], promises: &[Promise]) {
    let is_symptom =
        |violation: &String| promises.iter().any(|promise| violation.starts_with(&promise.to_string()));
    let mut seen: Vec<String> = Vec::new();
    let mut seeds = 1..=TRIALS;
    while !seen.iter().any(is_symptom)
        && let Some(seed) = seeds.next()
    {
        let short = Options::new(PROGRAM.into(), 6, 2);
        // A zombie does harm in a session that goes on when it wakes.
        let long = Options { messages: 14, ..Options::new(PROGRAM.into(), 10, 10) };
        let options = Options {
            seed,
            mutant: Some(mutant.to_owned()),
            // What is lost stays lost; there is no need to wait for it for long.
            patience: Duration::from_secs(5),
            boundaries,
            ..if boundaries.is_empty() { short } else { long }
        };
        seen.extend(trial::run(options).await.unwrap().violations);
    }
    assert!(seen.iter().any(is_symptom), "{mutant} was not found out in {TRIALS} trials: {seen:#?}");
}

/// A test for each broken protocol, with where its replicas meet fail-points.
macro_rules! found {
    ($($name:ident: $mutant:literal at $boundaries:expr, breaks $($promise:ident),+;)+) => {
        $(#[tokio::test]
        async fn $name() {
            is_found($mutant, $boundaries, &[$(Promise::$promise),+]).await;
        })+
    };
}

found! {
    no_dedupe: "NoDedupe" at &[], breaks AcceptedOnce;
    acknowledgement_before_commit: "AcksEarly" at &[], breaks AcceptedOnce, AnsweredOnce;
    forgotten_steps: "ForgetsEntries" at &[], breaks AcceptedOnce;
    steps_written_twice: "WritesTwice" at &[], breaks AcceptedOnce;
    forgotten_ends: "ForgetsEnds" at &[], breaks AnsweredOnce, Takeover;
    no_takeover: "NeverReaps" at &[], breaks AnsweredOnce;
    no_audit: "ListsNothing" at &[], breaks AnsweredOnce;
    a_journal_with_holes: "SkipsEntries" at &[], breaks InOrder, OneWriter;
    no_epoch_check: "NoFence" at ABOUT_TO_WRITE, breaks AcceptedOnce, AnsweredOnce, InOrder, OneWriter;
    a_zombie_that_is_told_that_it_wrote: "SwallowsFences" at ABOUT_TO_WRITE, breaks AnsweredOnce, OneWriter;
}
