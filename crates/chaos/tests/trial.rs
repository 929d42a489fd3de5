//! Trials of replicas that end and stop themselves at named boundaries, and of protocols that are broken on purpose: what
//! judges must be seen to fail.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use regrow_chaos::history::Promise;
use regrow_chaos::trial::{self, Options};

const PROGRAM: &str = env!("CARGO_BIN_EXE_regrow-faulty");

/// Trials until a broken protocol must have been found out; each is another one.
const TRIALS: u64 = 5;

#[tokio::test]
async fn no_promise_is_broken_at_any_boundary() {
    let options = Options { fail_points: true, ..Options::new(PROGRAM.into(), 12, 6) };
    let report = trial::run(options).await.unwrap();
    assert!(report.is_clean(), "{}\n{report}", report.logs);
}

/// Tries a broken protocol until a promise is broken, which must be one of these.
async fn is_found(mutant: &str, promises: &[Promise]) {
    for seed in 1..=TRIALS {
        let options = Options {
            seed,
            mutant: Some(mutant.to_owned()),
            // What is lost stays lost; there is no need to wait for it for long.
            patience: Duration::from_secs(5),
            ..Options::new(PROGRAM.into(), 5, 6)
        };
        let report = trial::run(options).await.unwrap();
        let is_symptom =
            |violation: &String| promises.iter().any(|promise| violation.starts_with(&promise.to_string()));
        if report.violations.iter().any(is_symptom) {
            return;
        }
        assert!(report.is_clean(), "{mutant} breaks another promise: {report}");
    }
    assert!(promises.is_empty(), "{mutant} was not found out in {TRIALS} trials");
}

/// A test for each broken protocol.
macro_rules! found {
    ($($name:ident: $mutant:literal breaks $($promise:ident),+;)+) => {
        $(#[tokio::test]
        async fn $name() {
            is_found($mutant, &[$(Promise::$promise),+]).await;
        })+
    };
}

found! {
    no_dedupe: "NoDedupe" breaks AcceptedOnce;
    acknowledgement_before_commit: "AcksEarly" breaks AcceptedOnce, AnsweredOnce;
    forgotten_steps: "ForgetsEntries" breaks AcceptedOnce;
    steps_written_twice: "WritesTwice" breaks AcceptedOnce;
    forgotten_ends: "ForgetsEnds" breaks AnsweredOnce, Takeover;
    no_takeover: "NeverReaps" breaks AnsweredOnce;
    no_audit: "ListsNothing" breaks AnsweredOnce;
    no_epoch_check: "NoFence" breaks AcceptedOnce, AnsweredOnce, InOrder, OneWriter;
    a_zombie_that_is_told_that_it_wrote: "SwallowsFences" breaks AnsweredOnce, OneWriter;
    a_journal_with_holes: "SkipsEntries" breaks InOrder, OneWriter;
}
