//! The beginning of a run here, and the run as part of a trace: of the one that was stored with its message, whichever
//! replica drives it.

use regrow_agent::{Ending, Inbound, Reply};
use regrow_store::{Claimed, RunStatus};
use regrow_trace::{Attempt, Takeover};
use tracing::{Instrument, Span};

use crate::drive::Stopped;
use crate::run::Run;

impl Run<'_> {
    /// Drives the run to its end; returns the session's next run if the lease was kept.
    pub(crate) async fn drive(&mut self, inbound: Option<Inbound>) -> Result<Option<Box<Claimed>>, Stopped> {
        self.journal.inbound = match inbound {
            Some(inbound) => inbound,
            None => serde_json::from_slice(&self.claimed.message.body)
                .map_err(|e| Stopped::Broken(format!("the message cannot be read: {e}")))?,
        };
        // Its words are in memory once, not twice for as long as the run lasts.
        self.claimed.message.body = Vec::new();
        let of = Attempt {
            agent: self.claimed.session_key.agent(),
            run: self.claimed.run,
            session: self.claimed.session(),
            replica: self.life.replica,
            epoch: self.claimed.epoch(),
            attempt: self.claimed.attempt,
        };
        self.span = regrow_trace::invoke_agent(&of, self.journal.inbound.trace.as_ref());
        let span = self.span.clone();
        self.go_on().instrument(span).await
    }

    /// The span of taking the run over, if others have driven it.
    pub(crate) fn takeover(&self) -> Span {
        let claimed = &self.claimed;
        let (cause, from, stood_still) = match claimed.former {
            Some(former) => (former.loss.as_str(), Some(former.replica), former.stood_still),
            // A replica of an earlier release saw it, and noted nothing.
            None if claimed.blame > 0 || claimed.attempt > 1 => ("unknown", None, None),
            None => return Span::none(),
        };
        tracing::info!(cause, from = from.map(tracing::field::display), "took a run over");
        regrow_trace::taken_over(Takeover { cause, from, stood_still }, self.life.replica)
    }

    /// The run has ended for good.
    pub(crate) fn ended(&self, status: RunStatus, reply: Option<&Reply>) {
        let error = reply.and_then(|reply| match &reply.ending {
            Ending::Failed(failure) => Some(failure.reason.as_str()),
            Ending::Done | Ending::Aborted => None,
        });
        regrow_trace::ended(&self.span, status.as_str(), error, reply.map(|reply| reply.usage));
    }

    /// The run goes on at another replica.
    pub(crate) fn stopped(&self, why: &Stopped) {
        let (outcome, error) = match why {
            Stopped::Fenced => ("fenced", None),
            Stopped::HandOver => ("handed_over", None),
            Stopped::Broken(_) => ("broken", Some("internal")),
        };
        regrow_trace::ended(&self.span, outcome, error, None);
    }
}
