//! One run: read the journal, ask the pure core what comes next, do it, record it, ask again.

use std::sync::Arc;
use std::time::Duration;

use regrow_agent::{
    Action, Answered, CompactionPlan, Ending, Entry, FailureKind, Final, Inbound, Journal, Recorded, Reply,
    Situation, Transcript, answered, next, visible_text,
};
use regrow_protocol::{Message, Seq, ToolChoice, Usage};
use regrow_providers::{Completion, Delta, Error as ModelError, ModelRequest};
use regrow_store::{Claimed, Finish, RunStatus};
use tracing::{Instrument, Span};

use crate::drive::Stopped;
use crate::lease::Life;
use crate::live::{End, LiveRun, Shown};
use crate::setup::Setup;
use crate::worker::{Held, Inner, Phase};
use crate::{journal, write};

/// How often a run that a provider calls too long is compacted before it is given up.
const OVERFLOWS: u32 = 3;

/// A run that is driven here.
pub(crate) struct Run<'a> {
    pub(crate) worker: &'a Arc<Inner>,
    pub(crate) life: &'a Life,
    pub(crate) claimed: Claimed,
    pub(crate) held: Held,
    keep: bool,
    /// How long it may take.
    seconds: u64,
    /// The head of the log at the claim: entries up to here were written under earlier leases.
    pub(crate) inherited: Seq,
    /// What the core decides on.
    pub(crate) journal: Journal,
    /// All entries of this run, those before a compaction included.
    said: Vec<Arc<Entry>>,
    shown: Option<Shown>,
    /// The journal was read, so that what is in it is all there is.
    loaded: bool,
    overflows: u32,
    /// The run's part of its trace.
    pub(crate) span: Span,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        worker: &'a Arc<Inner>,
        life: &'a Life,
        claimed: Claimed,
        shown: Option<Shown>,
        held: Held,
        keep: bool,
    ) -> Self {
        let journal = Journal {
            transcript: Transcript::default(),
            run_base: claimed.run_base,
            inbound: Inbound::default(),
            inbox_seq: claimed.message.seq,
        };
        let inherited = claimed.head();
        Self {
            worker,
            life,
            claimed,
            held,
            keep,
            seconds: u64::MAX,
            inherited,
            journal,
            said: Vec::new(),
            shown,
            loaded: false,
            overflows: 0,
            span: Span::none(),
        }
    }

    /// Drives a run that has begun to its end; returns the session's next run if the lease was kept.
    pub(crate) async fn go_on(&mut self) -> Result<Option<Box<Claimed>>, Stopped> {
        let takeover = self.takeover();
        self.load().instrument(takeover).await?;
        self.loaded = true;
        if self.shown.is_none() {
            let live = LiveRun::new(visible_text(self.said.iter().map(AsRef::as_ref)));
            self.shown = Some(self.worker.board.show(self.claimed.session(), self.claimed.run, live));
        }
        let present = self.worker.present.get();
        let Some(profile) = present.settings.agents.get(self.claimed.session_key.agent()) else {
            let message = format!("There is no agent `{}` any more.", self.claimed.session_key.agent());
            return self.finish(Final::failed(FailureKind::ModelRefused, message)).await;
        };
        let (id, accepted_at) = (self.claimed.session_key.agent(), self.claimed.message.accepted_at);
        self.seconds = profile.limits.seconds;
        let setup = Setup::new(&present, id, profile, &self.journal.inbound, accepted_at).await;
        loop {
            match next(&self.journal, &setup.agent, &self.situation(&setup)) {
                Action::Finish(last) => return self.finish(last).await,
                Action::CallTools(calls) => self.call_tools(&setup, calls).await?,
                Action::Compact(plan) => {
                    if let Some(last) = self.compact(&setup, plan).await? {
                        return self.finish(last).await;
                    }
                }
                Action::CallModel => {
                    if let Some(last) = self.call_model(&setup).await? {
                        return self.finish(last).await;
                    }
                }
            }
        }
    }

    fn live(&self) -> Option<&Arc<LiveRun>> {
        self.shown.as_ref().map(Shown::live)
    }

    /// Reads the journal, from memory if this replica wrote it last.
    async fn load(&mut self) -> Result<(), Stopped> {
        let (session, head) = (self.claimed.session(), self.claimed.head());
        let (context_base, run_base) = (self.claimed.context_base, self.claimed.run_base);
        if head == context_base && head == run_base {
            return Ok(());
        }
        if run_base == head
            && let Some(transcript) = self.worker.transcripts.take(session, context_base, head)
        {
            self.journal.transcript = transcript;
            return Ok(());
        }
        let from = context_base.min(run_base);
        let read = loop {
            match journal::read(&*self.worker.store, session, from, head).await {
                Ok(read) => break read,
                Err(error) if error.is_retryable() => {
                    tracing::debug!(%error, "the journal cannot be read yet");
                    let pause = Duration::from_millis(fastrand::u64(50..200));
                    let mut phase = self.worker.phase.subscribe();
                    tokio::select! {
                        () = self.held.fenced.cancelled() => return Err(Stopped::Fenced),
                        _ = phase.wait_for(|phase| *phase == Phase::HandingOver) => return Err(Stopped::HandOver),
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                Err(error) => return Err(Stopped::Broken(error.to_string())),
            }
        };
        self.said = read.iter().filter(|r| r.seq > run_base).map(|r| Arc::clone(&r.entry)).collect();
        self.journal.transcript = read.into_iter().collect();
        self.journal.start_after(context_base);
        Ok(())
    }

    /// Milliseconds since the message was accepted.
    fn age(&self) -> u64 {
        let now = jiff::Timestamp::now().as_millisecond();
        now.saturating_sub(self.claimed.message.accepted_at).max(0).unsigned_abs()
    }

    /// The time until the core calls the run too old: until its age in whole seconds is above the limit.
    fn time_left(&self) -> Duration {
        Duration::from_millis(self.seconds.saturating_add(1).saturating_mul(1_000).saturating_sub(self.age()))
    }

    fn situation(&self, setup: &Setup<'_>) -> Situation {
        Situation {
            aborted: self.held.abort.is_cancelled(),
            // Every whole blame is a replica that this run may have ended.
            attempt: 1 + self.claimed.blame / Claimed::WHOLE_BLAME,
            age_seconds: self.age() / 1_000,
            prompt_tokens: setup.prompt_tokens,
            overflow: self.overflows > 0,
        }
    }

    /// Asks the model and records its answer; returns the run's end if that was it.
    async fn call_model(&mut self, setup: &Setup<'_>) -> Result<Option<Final>, Stopped> {
        let answer = {
            let request = self.request(setup);
            let live = self.live().cloned();
            let mut on_delta = |delta: Delta<'_>| match (&live, delta) {
                (Some(live), Delta::Text(piece)) => live.push(piece),
                (Some(live), Delta::Restart) => live.restart(),
                (None, _) => {}
            };
            let models = setup.models(self.worker);
            let call = models.complete(&setup.chain, &request, &mut on_delta);
            match self.unless_interrupted(call).await? {
                Some(answer) => answer,
                None if self.held.abort.is_cancelled() => return Ok(Some(self.aborted())),
                // Out of time: the core ends the run.
                None => return Ok(None),
            }
        };
        match answer {
            Ok(completion) => self.record(completion).await,
            Err(ModelError::ContextTooLong { .. }) if self.overflows < OVERFLOWS => {
                self.overflows += 1;
                Ok(None)
            }
            Err(error) => Ok(Some(failed(&error))),
        }
    }

    fn request<'b>(&'b self, setup: &'b Setup<'_>) -> ModelRequest<'b> {
        let inbound = &self.journal.inbound;
        // A tool that must be called was called: from then on the model decides, or it could never end.
        let called = self.said.iter().any(|entry| matches!(**entry, Entry::Assistant { .. }));
        let tool_choice = match &inbound.tool_choice {
            ToolChoice::Required | ToolChoice::Named(_) if called => ToolChoice::Auto,
            choice => choice.clone(),
        };
        ModelRequest {
            messages: regrow_agent::messages(&self.journal, &setup.prompt),
            tools: setup.tools(inbound).collect(),
            tool_choice,
            sampling: inbound.sampling.clone(),
        }
    }

    async fn record(&mut self, completion: Completion) -> Result<Option<Final>, Stopped> {
        self.overflows = 0;
        let Completion { text, tool_calls, stop, usage, raw, model } = completion;
        let message = Message::Assistant { text, tool_calls, raw };
        match answered(message, stop, model, usage, &self.journal) {
            Answered::Finish(last) => Ok(Some(last)),
            Answered::Step(entry) => {
                self.append(vec![entry], None).await?;
                let text = visible_text(self.said.iter().map(AsRef::as_ref));
                if let Some(live) = self.live() {
                    live.journaled(text);
                }
                Ok(None)
            }
        }
    }

    /// Has the older conversation summarised; returns the run's end if that failed.
    async fn compact(&mut self, setup: &Setup<'_>, plan: CompactionPlan) -> Result<Option<Final>, Stopped> {
        let CompactionPlan { messages, through } = plan;
        let request = ModelRequest {
            messages: messages.into(),
            tools: Vec::new(),
            tool_choice: ToolChoice::None,
            sampling: regrow_protocol::Sampling::default(),
        };
        let mut ignore = |_: Delta<'_>| {};
        let models = setup.models(self.worker);
        let call = models.complete(&setup.chain, &request, &mut ignore);
        let Some(answer) = self.unless_interrupted(call).await? else { return Ok(None) };
        let completion = match answer {
            Ok(completion) => completion,
            Err(error) => return Ok(Some(failed(&error))),
        };
        tracing::info!(through, "the older conversation was summarised");
        let entry = Entry::Compaction { summary: completion.text, through, usage: completion.usage };
        self.overflows = 0;
        self.append_bare(vec![entry], Some(through)).await?;
        self.journal.start_after(through);
        Ok(None)
    }

    /// Waits for `work` unless the run is aborted or out of time (`None`: the core then ends it), fenced or handed over.
    pub(crate) async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>, Stopped> {
        self.wait_until_trusted().await?;
        let mut phase = self.worker.phase.subscribe();
        tokio::select! {
            biased;
            () = self.held.fenced.cancelled() => Err(Stopped::Fenced),
            () = self.held.abort.cancelled() => Ok(None),
            _ = phase.wait_for(|phase| *phase == Phase::HandingOver) => Err(Stopped::HandOver),
            done = work => Ok(Some(done)),
            () = tokio::time::sleep(self.time_left()) => Ok(None),
        }
    }

    /// Nothing outside is touched while the lease may have been taken.
    pub(crate) async fn wait_until_trusted(&self) -> Result<(), Stopped> {
        while !self.life.is_trusted() {
            let pause = tokio::time::sleep(Duration::from_millis(50));
            tokio::select! {
                () = self.held.fenced.cancelled() => return Err(Stopped::Fenced),
                () = pause => {}
            }
        }
        Ok(())
    }

    fn aborted(&self) -> Final {
        Final::aborted(&self.live().map(|live| live.unfinished()).unwrap_or_default())
    }

    /// The entry that records the run's message, unless the log has it.
    fn missing_user_entry(&self) -> Option<Entry> {
        if self.loaded {
            return (!self.journal.has_user_entry()).then(|| self.journal.user_entry());
        }
        // The journal could not be read: whoever wrote to it before began with the message, and the conversation may
        // have gone on for long.
        let is_first = self.claimed.head() == self.claimed.run_base;
        let messages = self.journal.inbound.added(false).to_vec();
        is_first.then_some(Entry::User { inbox_seq: self.journal.inbox_seq, messages })
    }

    /// Records entries, with the run's message before the first of them.
    pub(crate) async fn append(
        &mut self,
        entries: Vec<Entry>,
        context_base: Option<Seq>,
    ) -> Result<(), Stopped> {
        let all = self.missing_user_entry().into_iter().chain(entries).collect();
        self.append_bare(all, context_base).await
    }

    async fn append_bare(&mut self, entries: Vec<Entry>, context_base: Option<Seq>) -> Result<(), Stopped> {
        let encoded = encode(&entries)?;
        let first = self.claimed.head() + 1;
        let control =
            write::append(self.worker, &mut self.claimed, &encoded, context_base, &self.held.fenced).await?;
        self.claimed.blame = 0;
        self.remember(first, entries);
        if control.abort {
            self.held.abort.cancel();
        }
        Ok(())
    }

    fn remember(&mut self, first: Seq, entries: Vec<Entry>) {
        for (seq, entry) in (first..).zip(entries) {
            let entry = Arc::new(entry);
            self.said.push(Arc::clone(&entry));
            self.journal.transcript.push(Recorded { seq, entry });
        }
    }

    /// Records the end and shows it; returns the session's next run if the lease was kept.
    pub(crate) async fn finish(&mut self, last: Final) -> Result<Option<Box<Claimed>>, Stopped> {
        let mut entries: Vec<Entry> = self.missing_user_entry().into_iter().collect();
        let (status, error) = match &last.ending {
            Ending::Done => (RunStatus::Done, None),
            Ending::Failed(failure) => (RunStatus::Failed, Some(failure.message.clone())),
            Ending::Aborted => (RunStatus::Aborted, None),
        };
        entries.push(Entry::Final(last));
        let encoded = encode(&entries)?;
        let first = self.claimed.head() + 1;
        let reply = Reply::of(self.said.iter().map(AsRef::as_ref).chain(&entries));
        let usage = reply.as_ref().map_or(Usage::default(), |reply| reply.usage);
        let usage = serde_json::to_string(&usage).unwrap_or_default();
        let end =
            Finish { entries: encoded, status, error, usage, keep: self.keep && !self.worker.is_draining() };
        let finished = write::finish(self.worker, &self.claimed, &end, &self.held.fenced).await?;
        self.ended(end.status, reply.as_ref());
        // Not before it is committed: who panics on the way ends the run in another way.
        self.remember(first, entries);
        if let (Some(shown), Some(reply)) = (&self.shown, reply) {
            shown.live().end(End::Ended(Arc::new(reply)));
        }
        self.shown = None;
        self.cache(self.claimed.head() + i64::try_from(end.entries.len()).unwrap_or(0));
        Ok(finished.next)
    }

    /// Keeps the transcript for the session's next message, unless the session was made for one request.
    fn cache(&mut self, head: Seq) {
        if self.loaded && !self.claimed.session_key.rest().starts_with("openai:") {
            let transcript = std::mem::take(&mut self.journal.transcript);
            let (session, base) = (self.claimed.session(), self.claimed.context_base);
            self.worker.transcripts.put(session, base, head, transcript);
        }
    }

    /// Gives the lease up so that another replica continues at the last journaled step.
    pub(crate) async fn hand_over(&mut self) {
        self.shown = None;
        match self.worker.store.release(&self.claimed).await {
            Ok(()) => tracing::info!("handed over"),
            Err(error) => tracing::debug!(%error, "not handed over; others will take over"),
        }
    }
}

fn encode(entries: &[Entry]) -> Result<Vec<regrow_store::NewEntry>, Stopped> {
    let encoded: Result<Vec<_>, _> = entries.iter().map(journal::encode).collect();
    encoded.map_err(|error| Stopped::Broken(error.to_string()))
}

/// The end of a run that no model answers.
fn failed(error: &ModelError) -> Final {
    let reason = match error {
        ModelError::ContextTooLong { .. } => FailureKind::ContextTooLong,
        ModelError::UnknownModel { .. } | ModelError::Refused { .. } => FailureKind::ModelRefused,
        _ => FailureKind::ModelUnavailable,
    };
    Final::failed(reason, error.to_string())
}
