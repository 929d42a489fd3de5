//! The time limits of one attempt. One timer serves all of them: it is moved only when it fires too early, so a stream
//! of many chunks does not touch the runtime's timer wheel for each.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A moving deadline that never passes the end of the attempt.
pub(crate) struct Deadline {
    timer: Pin<Box<Sleep>>,
    at: Instant,
    end: Instant,
}

/// The deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed;

impl Deadline {
    /// The first stage may take `first`, everything together `total`.
    pub(crate) fn new(first: Duration, total: Duration) -> Self {
        let end = after(total);
        let at = end.min(after(first));
        Self { timer: Box::pin(sleep_until(at)), at, end }
    }

    /// The next stage starts now and may take `limit`.
    pub(crate) fn extend(&mut self, limit: Duration) {
        self.at = self.end.min(after(limit));
        // Later deadlines are noticed when the timer fires; an earlier one would not be.
        if self.at < self.timer.deadline() {
            self.timer.as_mut().reset(self.at);
        }
    }

    /// Everything must end within `limit` from now, unless its end comes earlier anyway.
    pub(crate) fn end_within(&mut self, limit: Duration) {
        self.end = self.end.min(after(limit));
        self.extend(limit);
    }

    /// Awaits `work`, unless the deadline passes first.
    pub(crate) async fn guard<F: Future>(&mut self, work: F) -> Result<F::Output, Passed> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return Ok(output),
                () = self.timer.as_mut() => {
                    if self.at <= Instant::now() {
                        return Err(Passed);
                    }
                    self.timer.as_mut().reset(self.at);
                }
            }
        }
    }
}

/// The moment `limit` from now; a year from now where a configured limit is beyond all clocks.
fn after(limit: Duration) -> Instant {
    Instant::now() + limit.min(Duration::from_secs(365 * 24 * 3600))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[tokio::test(start_paused = true)]
    async fn passes_at_the_stage_or_at_the_end_whichever_is_earlier() {
        for (first, extended, total, want) in
            [(20, None, 90, 20), (20, Some(40), 90, 40), (90, Some(20), 90, 20), (20, Some(90), 40, 40)]
        {
            let start = Instant::now();
            let mut deadline = Deadline::new(ms(first), ms(total));
            if let Some(limit) = extended {
                deadline.extend(ms(limit));
            }
            assert_eq!(deadline.guard(pending::<()>()).await, Err(Passed));
            assert_eq!(start.elapsed(), ms(want), "{first} {extended:?} {total}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_can_be_moved_forward_only() {
        let start = Instant::now();
        let mut deadline = Deadline::new(ms(900), ms(900));
        deadline.end_within(ms(20));
        deadline.end_within(ms(900));
        deadline.extend(ms(900));
        assert_eq!(deadline.guard(pending::<()>()).await, Err(Passed));
        assert_eq!(start.elapsed(), ms(20));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_wins() {
        assert_eq!(Deadline::new(ms(0), ms(0)).guard(async { 7 }).await, Ok(7));
    }
}
