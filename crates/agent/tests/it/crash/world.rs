//! What outlives a process: the log, the model, the tools, the sender; and what is observed of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use regrow_agent::{Agent, Inbound, Limits, Recorded, Reply, Transcript};
use regrow_protocol::Seq;

use super::process::Process;
use super::script::Script;
use super::sender::Sender;
use crate::scene;

/// When the process is cut off: each number counts the events since the last time.
#[derive(Debug, Clone)]
pub(crate) struct Crashes(Vec<usize>);

impl Crashes {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn after(gaps: Vec<usize>) -> Self {
        Self(gaps)
    }
}

/// The process was cut off: what it had in memory is gone.
pub(crate) struct Crash;

/// Where in a conversation a model is asked, counted in what the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) turn: usize,
    pub(crate) answers: usize,
    pub(crate) summaries: usize,
    pub(crate) asks_for_summary: bool,
}

/// An executed call: turn, model answer within the turn, id.
pub(crate) type Executed = (usize, usize, String);

/// Everything that outlives a process, and the observations.
pub(crate) struct World {
    pub(crate) script: Script,
    crashes: Crashes,
    /// Crashes so far.
    pub(crate) crashed: usize,
    /// Moments so far at which a process could be cut off.
    pub(crate) events: usize,
    /// The log, as a store keeps it.
    pub(crate) log: Vec<String>,
    pub(crate) context_base: Seq,
    /// The entries that the process still has from the run before, with the base and head that they belong to.
    pub(crate) cache: Option<(Seq, Seq, Transcript)>,
    /// What the models were shown, as JSON.
    pub(crate) asked: BTreeMap<Point, Vec<String>>,
    /// How often each call was executed, and by which tool.
    pub(crate) executed: BTreeMap<Executed, (String, usize)>,
    pub(crate) replies: Vec<Reply>,
}

impl World {
    /// Plays a conversation from its first message to its last reply.
    pub(crate) fn play(script: &Script, crashes: Crashes) -> Self {
        let mut world = Self {
            script: script.clone(),
            crashes,
            crashed: 0,
            events: 0,
            log: Vec::new(),
            context_base: 0,
            cache: None,
            asked: BTreeMap::new(),
            executed: BTreeMap::new(),
            replies: Vec::new(),
        };
        let mut sender = Sender::default();
        for (index, turn) in script.turns.iter().enumerate() {
            let inbound = sender.send(index, turn);
            let reply = world.answer(index, &inbound);
            sender.receive(&reply);
            world.replies.push(reply);
        }
        world
    }

    /// Process after process works on a message until one of them has recorded the end.
    fn answer(&mut self, turn: usize, inbound: &Inbound) -> Reply {
        let run_base = self.head();
        let inbound = serde_json::to_string(inbound).unwrap();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let inbound = serde_json::from_str(&inbound).unwrap();
            let mut process = Process::start(self, turn, run_base, inbound, attempt);
            if process.drive().is_err() {
                attempt = process.attempt;
                self.crashed += 1;
                self.cache = None;
            }
            let run = self.entries_after(run_base);
            if let Some(reply) = Reply::of(run.iter().map(|recorded| &*recorded.entry)) {
                return reply;
            }
        }
    }

    /// The most model answers of a run.
    pub(crate) fn steps(&self) -> usize {
        usize::try_from(self.script.steps).unwrap()
    }

    pub(crate) fn head(&self) -> Seq {
        Seq::try_from(self.log.len()).unwrap()
    }

    /// The entries after a position, read back from what was written.
    pub(crate) fn entries_after(&self, base: Seq) -> Vec<Recorded> {
        let entries = (1..).zip(&self.log).filter(|(seq, _)| *seq > base);
        let read = |json: &String| Arc::new(serde_json::from_str(json).unwrap());
        entries.map(|(seq, json)| Recorded { seq, entry: read(json) }).collect()
    }

    /// A moment at which the process can be cut off.
    pub(crate) fn event(&mut self) -> Result<(), Crash> {
        self.events += 1;
        match self.crashes.0.first_mut() {
            Some(0) => {
                self.crashes.0.remove(0);
                Err(Crash)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn agent(&self) -> Agent {
        Agent {
            context_window: self.script.window,
            reserve_tokens: 50,
            keep_recent_tokens: self.script.keep,
            limits: Limits {
                steps: self.script.steps,
                tokens: self.script.tokens,
                seconds: 600,
                attempts: 1_000,
            },
            ..scene::agent()
        }
    }
}

/// A text that begins with its name and has about this many words.
pub(crate) fn words(name: &str, count: usize) -> String {
    format!("{name}:{}", " word".repeat(count))
}
