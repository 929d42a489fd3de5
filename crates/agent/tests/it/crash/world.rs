//! The world around the core: a log that survives, a process that does not, a scripted model, tools and a sender.
//! The process drives the core as a worker does, but every entry is committed alone, which is harsher than a store.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use regrow_agent::{
    Action, Agent, Answered, CompactionPlan, Entry, FailureKind, Final, Inbound, Journal, Limits,
    PlannedCall, Recorded, Reply, Situation, ToolOutcome, Way, answered, messages, next,
};
use regrow_protocol::{Message, Seq, StopReason, ToolCall};

use super::check;
use super::script::{Answer, Script};
use super::sender::Sender;
use crate::scene;

/// More actions than any run of a script can need.
const MANY: usize = 400;

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
struct Crash;

/// Where in a conversation a model is asked, counted in what the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    turn: usize,
    answers: usize,
    summaries: usize,
    asks_for_summary: bool,
}

/// An executed call: turn, model answer within the turn, id.
pub(crate) type Executed = (usize, usize, String);

/// Everything that outlives a process, and the observations.
pub(crate) struct World {
    script: Script,
    crashes: Crashes,
    /// Crashes so far.
    pub(crate) crashed: usize,
    /// Moments so far at which a process could be cut off.
    pub(crate) events: usize,
    /// The log, as a store keeps it.
    pub(crate) log: Vec<String>,
    pub(crate) context_base: Seq,
    /// The entries that the process still has from the run before, with the base and head that they belong to.
    cache: Option<(Seq, Seq, Vec<Recorded>)>,
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

    fn head(&self) -> Seq {
        Seq::try_from(self.log.len()).unwrap()
    }

    /// The entries after a position, read back from what was written.
    pub(crate) fn entries_after(&self, base: Seq) -> Vec<Recorded> {
        let entries = (1..).zip(&self.log).filter(|(seq, _)| *seq > base);
        let read = |json: &String| Arc::new(serde_json::from_str(json).unwrap());
        entries.map(|(seq, json)| Recorded { seq, entry: read(json) }).collect()
    }

    /// A moment at which the process can be cut off.
    fn event(&mut self) -> Result<(), Crash> {
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

    fn agent(&self) -> Agent {
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

/// One process's work on one run.
struct Process<'w> {
    world: &'w mut World,
    agent: Agent,
    turn: usize,
    journal: Journal,
    overflow: bool,
    attempt: u32,
}

impl<'w> Process<'w> {
    fn start(world: &'w mut World, turn: usize, run_base: Seq, inbound: Inbound, attempt: u32) -> Self {
        let (agent, inbox_seq) = (world.agent(), Seq::try_from(turn + 1).unwrap());
        let mut journal = Journal { entries: Vec::new(), run_base, inbound, inbox_seq };
        match world.cache.take() {
            Some((base, head, entries))
                if (base, head, head) == (world.context_base, world.head(), run_base) =>
            {
                journal.entries = entries;
            }
            _ => {
                journal.entries = world.entries_after(world.context_base.min(run_base));
                journal.start_after(world.context_base);
            }
        }
        Self { world, agent, turn, journal, overflow: false, attempt }
    }

    fn drive(&mut self) -> Result<(), Crash> {
        for _ in 0..MANY {
            let (attempt, overflow) = (self.attempt, self.overflow);
            let situation = Situation { attempt, overflow, prompt_tokens: 10, ..Situation::default() };
            let end = match next(&self.journal, &self.agent, &situation) {
                Action::Finish(last) => Some(last),
                Action::CallTools(calls) => self.call_tools(calls)?,
                Action::Compact(plan) => self.compact(&plan)?,
                Action::CallModel => self.call_model()?,
            };
            if let Some(last) = end {
                return self.finish(last);
            }
        }
        panic!("a run does not come to its end");
    }

    /// What this run has in the log.
    fn recorded(&self) -> Vec<Recorded> {
        self.world.entries_after(self.journal.run_base)
    }

    fn count(&self, is: fn(&Entry) -> bool) -> usize {
        self.recorded().iter().filter(|recorded| is(&recorded.entry)).count()
    }

    fn answers(&self) -> usize {
        self.count(|entry| matches!(entry, Entry::Assistant { .. }))
    }

    fn ask(&mut self, shown: &[Cow<'_, Message>], asks_for_summary: bool) -> Result<Point, Crash> {
        check::request(shown);
        let point = Point {
            turn: self.turn,
            answers: self.answers(),
            summaries: self.count(|entry| matches!(entry, Entry::Compaction { .. })),
            asks_for_summary,
        };
        let json = serde_json::to_string(shown).unwrap();
        self.world.asked.entry(point).or_default().push(json);
        self.world.event()?;
        Ok(point)
    }

    fn call_model(&mut self) -> Result<Option<Final>, Crash> {
        let (journal, recorded) = (self.journal.clone(), self.recorded());
        let shown = messages(&journal, "P");
        check::present_turn(&shown, &recorded, self.turn, &self.world.script.turns[self.turn]);
        let Point { answers, .. } = self.ask(&shown, false)?;
        let size = shown.iter().map(|message| message.text().len()).sum::<usize>() / 4;
        if self.world.script.refuses_above > 0 && size > self.world.script.refuses_above {
            assert!(!self.overflow, "asked again without making the context smaller");
            self.overflow = true;
            return Ok(None);
        }
        self.overflow = false;
        let script = &self.world.script.turns[self.turn];
        let message = spoken(self.turn, answers, script.answers.get(answers));
        let stop = StopReason::Stop;
        match answered(message, stop, "p/m".to_owned(), scene::USAGE, &self.journal) {
            Answered::Finish(last) => Ok(Some(last)),
            Answered::Step(entry) => self.append(vec![entry]),
        }
    }

    fn compact(&mut self, plan: &CompactionPlan) -> Result<Option<Final>, Crash> {
        let at = self.ask(&plan.messages, true)?;
        self.overflow = false;
        let summary = words(&format!("summary {}.{}.{}", at.turn, at.answers, at.summaries), 10);
        let entry = Entry::Compaction { summary, through: plan.through, usage: scene::USAGE };
        self.append_bare(vec![entry], Some(plan.through))?;
        self.journal.start_after(plan.through);
        Ok(None)
    }

    fn call_tools(&mut self, calls: Vec<PlannedCall>) -> Result<Option<Final>, Crash> {
        let (mut alone, mut together): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|planned| planned.way == Way::ExecuteOnce);
        if together.is_empty() {
            alone.truncate(1);
            self.append(alone.iter().map(|planned| scene::started(&planned.call.id)).collect())?;
            together = alone;
        }
        let results: Result<Vec<_>, Crash> = together.iter().map(|planned| self.settle(planned)).collect();
        self.append(results?)
    }

    fn settle(&mut self, PlannedCall { call, way }: &PlannedCall) -> Result<Entry, Crash> {
        let answer = self.answers() - 1;
        let name = format!("{}.{answer}.{}", self.turn, call.id);
        let (content, outcome) = match way {
            Way::Missing => (format!("missing tool of {name}"), ToolOutcome::Refused),
            // As long as the certain one, so that what depends on lengths is the same after a crash.
            Way::Unknown => (format!("unknown result of {name}"), ToolOutcome::Unknown),
            Way::Execute | Way::ExecuteOnce => {
                self.execute(answer, call)?;
                (format!("certain result of {name}"), ToolOutcome::Completed)
            }
        };
        Ok(Entry::ToolResult { message: scene::tool(&call.id, &content), outcome })
    }

    fn execute(&mut self, answer: usize, call: &ToolCall) -> Result<(), Crash> {
        check::may_execute(&self.recorded(), call);
        let tally = self.world.executed.entry((self.turn, answer, call.id.clone()));
        tally.or_insert_with(|| (call.name.clone(), 0)).1 += 1;
        self.world.event()
    }

    fn finish(&mut self, last: Final) -> Result<(), Crash> {
        self.append(vec![Entry::Final(last)])?;
        let (base, head) = (self.world.context_base, self.world.head());
        self.world.cache = Some((base, head, std::mem::take(&mut self.journal.entries)));
        Ok(())
    }

    fn append(&mut self, entries: Vec<Entry>) -> Result<Option<Final>, Crash> {
        let mut all = Vec::new();
        if !self.journal.has_user_entry() {
            all.push(self.journal.user_entry());
        }
        all.extend(entries);
        self.append_bare(all, None)?;
        Ok(None)
    }

    fn append_bare(&mut self, entries: Vec<Entry>, context_base: Option<Seq>) -> Result<(), Crash> {
        for entry in entries {
            self.world.log.push(serde_json::to_string(&entry).unwrap());
            self.world.context_base = context_base.unwrap_or(self.world.context_base);
            self.attempt = 0;
            let seq = self.world.head();
            self.journal.entries.push(Recorded { seq, entry: Arc::new(entry) });
            self.world.event()?;
        }
        Ok(())
    }
}

/// What the model says at this place of the conversation, whoever asks.
fn spoken(turn: usize, index: usize, answer: Option<&Answer>) -> Message {
    let name = format!("answer {turn}.{index}");
    let Some(answer) = answer else { return Message::assistant(name) };
    let text = if answer.words == 0 { String::new() } else { words(&name, answer.words) };
    let calls = answer.calls.iter().enumerate().map(|(position, kind)| {
        let id =
            if answer.plain_ids { format!("call_{position}") } else { format!("{turn}-{index}-{position}") };
        scene::call(&id, kind.name())
    });
    Message::Assistant { text, tool_calls: calls.collect(), raw: None }
}

/// A text that begins with its name and has about this many words.
pub(crate) fn words(name: &str, count: usize) -> String {
    format!("{name}:{}", " word".repeat(count))
}

/// The end when even the summary cannot be made is the shell's decision; the core must never give this one itself.
pub(crate) fn is_defect(reason: FailureKind) -> bool {
    !matches!(reason, FailureKind::Limit | FailureKind::ContextTooLong)
}
