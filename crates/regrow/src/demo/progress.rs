//! What has happened so far, for who looks on. The tally does not use it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What has happened so far; shared by all who make it happen.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    seen: Mutex<Seen>,
}

/// A look at it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// What is being done.
    pub(super) doing: &'static str,
    /// Conversations that are to be had, and those that were.
    pub(super) planned: usize,
    pub(super) conversations: usize,
    /// Messages.
    pub(super) accepted: u64,
    pub(super) answered: u64,
    /// Replies that broke off and were continued.
    pub(super) continued: u64,
    pub(super) kills: u64,
    /// How long each takeover took.
    pub(super) takeovers: Vec<Duration>,
    /// The replicas by their places.
    pub(super) replicas: Vec<Place>,
}

/// The place of a replica.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// It lives.
    pub(super) up: bool,
    /// How many replicas this place has had.
    pub(super) lives: usize,
    /// How many runs it drives; when it is dead, how many it drove.
    pub(super) runs: u32,
}

impl Progress {
    pub(super) fn new(planned: usize) -> Self {
        Self { started: Instant::now(), seen: Mutex::new(Seen { planned, ..Seen::default() }) }
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn look(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
