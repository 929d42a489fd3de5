//! An open loop: turns are sent at a constant rate, whether or not earlier ones are answered, as people do who do not
//! know of each other.
//!
//! A turn's time counts from when it should have been sent. A gateway that stands still for a second thus has as many
//! slow turns as would have arrived in that second, not one (no "coordinated omission"); and a generator that is late
//! makes its figures worse, not better. How late it was is reported.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::{Report, send};
use crate::client::{Client, Turn};

/// The rates that a schedule can be made for.
const MIN_RATE: f64 = 0.01;
const MAX_RATE: f64 = 1e6;

/// What load to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateways; the turns are dealt out to them in order.
    pub clients: Vec<Client>,
    /// Turns per second.
    pub rate: f64,
    /// For how long turns are sent.
    pub duration: Duration,
    /// What the session keys begin with; each turn has its own session.
    pub prefix: String,
    /// What each turn is like.
    pub turn: Turn,
}

/// Sends turns at the rate, waits for all answers, and reports. The error is a bad option or a panic, never a failed
/// turn. What is under way at once is bounded by all turns there are: it is the gateway that must refuse.
pub async fn run(options: &Options) -> Result<Report> {
    ensure!(!options.clients.is_empty(), "a load needs a gateway");
    ensure!(
        (MIN_RATE..=MAX_RATE).contains(&options.rate),
        "a rate is between {MIN_RATE} and {MAX_RATE} per second"
    );
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    let mut report = Report::default();
    for (number, offset) in schedule(options.rate, options.duration).enumerate() {
        let intended = begun + offset;
        if intended > Instant::now() {
            sleep_until(intended.into()).await;
        }
        let client = options.clients[number % options.clients.len()].clone();
        let turn = options.turn.clone().in_session(format!("{}-{number}", options.prefix));
        under_way.spawn(async move {
            let late = intended.elapsed();
            (send(&client, &turn).await, late)
        });
        while let Some(ended) = under_way.try_join_next() {
            note(&mut report, ended?);
        }
    }
    while let Some(ended) = under_way.join_next().await {
        note(&mut report, ended?);
    }
    report.elapsed = begun.elapsed();
    Ok(report)
}

fn note(report: &mut Report, (outcome, late): (super::Outcome, Duration)) {
    report.late.record(late);
    report.note(outcome, late);
}

/// When turns are sent, counted from the beginning. Each time is computed for itself, so that errors do not add up.
fn schedule(rate: f64, duration: Duration) -> impl Iterator<Item = Duration> {
    (0..u32::MAX)
        .map(move |number| Duration::from_secs_f64(f64::from(number) / rate))
        .take_while(move |offset| *offset < duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spaced_and_as_many_as_the_rate_says() {
        let times: Vec<Duration> = schedule(8.0, Duration::from_secs(1)).collect();
        assert_eq!(times.len(), 8);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(125)));
        assert_eq!(schedule(3_000.0, Duration::from_secs(10)).count(), 30_000);
        assert_eq!(schedule(0.5, Duration::from_secs(1)).count(), 1);
    }
}
