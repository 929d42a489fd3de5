//! A process that works on a run: it drives the core as a worker does, but every entry is committed alone, which is
//! harsher than a store that commits a step at once.

use std::borrow::Cow;
use std::sync::Arc;

use regrow_agent::{
    Action, Agent, Answered, CompactionPlan, Ending, Entry, Final, Inbound, Journal, PlannedCall, Recorded,
    Situation, ToolOutcome, Transcript, Way, answered, messages, next,
};
use regrow_protocol::{Message, Seq, StopReason, ToolCall};

use super::check;
use super::script::Answer;
use super::world::{Crash, Point, World, words};
use crate::scene;

/// More actions than any run of a script can need.
const MANY: usize = 400;

/// One process's work on one run.
pub(crate) struct Process<'w> {
    world: &'w mut World,
    agent: Agent,
    turn: usize,
    journal: Journal,
    overflow: bool,
    pub(crate) attempt: u32,
}

impl<'w> Process<'w> {
    pub(crate) fn start(
        world: &'w mut World,
        turn: usize,
        run_base: Seq,
        inbound: Inbound,
        attempt: u32,
    ) -> Self {
        let (agent, inbox_seq) = (world.agent(), Seq::try_from(turn + 1).unwrap());
        let mut journal = Journal { transcript: Transcript::default(), run_base, inbound, inbox_seq };
        match world.cache.take() {
            Some((base, head, entries))
                if (base, head, head) == (world.context_base, world.head(), run_base) =>
            {
                journal.transcript = entries;
            }
            _ => {
                journal.transcript =
                    world.entries_after(world.context_base.min(run_base)).into_iter().collect();
                journal.start_after(world.context_base);
            }
        }
        Self { world, agent, turn, journal, overflow: false, attempt }
    }

    pub(crate) fn drive(&mut self) -> Result<(), Crash> {
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
        let conversation = messages(&journal, "P");
        let shown: Vec<_> = conversation.iter().map(Cow::Borrowed).collect();
        check::present_turn(&shown, &recorded, self.turn, &self.world.script.turns[self.turn]);
        // After a failure a sender gives its results again, which then answer nothing any more.
        if self.world.replies.iter().all(|reply| reply.ending == Ending::Done) {
            check::no_call_lost(&shown);
        }
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
            Way::Missing => (format!("missing {name}"), ToolOutcome::Refused),
            // As long as a certain one, so that what depends on lengths is the same after a crash.
            Way::Unknown => (format!("~ {name}"), ToolOutcome::Unknown),
            Way::Execute | Way::ExecuteOnce => {
                self.execute(answer, call)?;
                (format!("= {name}"), ToolOutcome::Completed)
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
        self.world.cache = Some((base, head, std::mem::take(&mut self.journal.transcript)));
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
            self.journal.transcript.push(Recorded { seq, entry: Arc::new(entry) });
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
