//! Awaiting what must happen: whatever does not come in time is a failed test, not one that hangs.

use std::time::Duration;

/// The longest that anything may take. Machines that run tests are busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// The pause between two looks at something that tells nobody when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Awaits something that must happen.
///
/// # Panics
/// If it has not happened after 40 seconds.
#[expect(clippy::expect_used, reason = "in a test, a panic is the report")]
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it should have happened by now")
}

/// Looks until there is something to see.
///
/// # Panics
/// If there is nothing after 40 seconds.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    soon(async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await
}
