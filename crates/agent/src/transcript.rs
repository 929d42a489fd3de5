//! The transcript as a replica keeps it in memory: the entries, and what follows from them, brought forward entry by
//! entry. A turn therefore costs what is new in it, however long the session has gone on.

use std::sync::Arc;

use regrow_protocol::Seq;

use crate::context::Shown;
use crate::{Entry, Recorded, context, tokens, weight};

/// Entries of a session's log, ascending, with what a model is shown of them.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    entries: Vec<Recorded>,
    /// The last summary, and the position up to which it stands for everything.
    summary: Option<(Arc<Entry>, Seq)>,
    /// What a model is shown of the entries that no summary stands for.
    shown: Shown,
    /// An estimate of the tokens of what was said in them.
    tokens: usize,
    weight: usize,
}

impl Transcript {
    /// The entries.
    pub fn entries(&self) -> &[Recorded] {
        &self.entries
    }

    /// Adds the next entry.
    pub fn push(&mut self, recorded: Recorded) {
        self.weight += weight::of(&recorded.entry);
        if let Entry::Compaction { through, .. } = &*recorded.entry {
            self.summary = Some((Arc::clone(&recorded.entry), *through));
            self.entries.push(recorded);
            self.show_again();
        } else {
            self.show(&recorded);
            self.entries.push(recorded);
        }
    }

    /// Forgets the entries up to `base`.
    pub(crate) fn start_after(&mut self, base: Seq) {
        if self.entries.first().is_some_and(|first| first.seq <= base) {
            let kept = std::mem::take(self).entries.into_iter().filter(|recorded| recorded.seq > base);
            *self = kept.collect();
        }
    }

    /// Bytes of memory that this takes, about.
    pub fn weight(&self) -> usize {
        self.weight + self.shown.settled.weight()
    }

    /// The entries that a model sees: those that no summary stands for.
    pub(crate) fn context(&self) -> &[Recorded] {
        let Some((_, through)) = &self.summary else { return &self.entries };
        &self.entries[self.entries.partition_point(|recorded| recorded.seq <= *through)..]
    }

    /// The last summary.
    pub(crate) fn summary(&self) -> Option<&str> {
        match self.summary.as_ref().map(|(entry, _)| &**entry) {
            Some(Entry::Compaction { summary, .. }) => Some(summary),
            _ => None,
        }
    }

    /// What a model is shown of the context.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// An estimate of the tokens of what was said in the context.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    fn show(&mut self, recorded: &Recorded) {
        self.tokens += context::said(recorded.entry.messages()).map(tokens::of_message).sum::<usize>();
        self.shown.push(&recorded.entry);
    }

    fn show_again(&mut self) {
        (self.shown, self.tokens) = Default::default();
        for recorded in self.context().to_vec() {
            self.show(&recorded);
        }
    }
}

impl FromIterator<Recorded> for Transcript {
    fn from_iter<I: IntoIterator<Item = Recorded>>(entries: I) -> Self {
        let mut transcript = Self::default();
        entries.into_iter().for_each(|recorded| transcript.push(recorded));
        transcript
    }
}

/// What follows from the entries is the same if they are.
impl PartialEq for Transcript {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}
