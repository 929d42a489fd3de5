//! Many conversations, and replicas that are killed and paused all the while: no promise is broken, as far as anybody
//! outside can tell.

use regrow_chaos::trial::{self, Options};

use crate::scene::PROGRAM;

#[tokio::test]
async fn no_promise_is_broken_while_replicas_die_and_stand_still() {
    let report = trial::run(Options::new(PROGRAM.into(), 12, 6)).await.unwrap();
    assert!(report.is_clean(), "{}\n{report}", report.logs);
    assert!(report.kills >= 12 && report.pauses >= 6, "{report}");
    // Otherwise nothing was tried.
    assert!(report.repeated_calls > 0 && report.lost_requests > 0, "{report}");
}
