//! One call over a chain of models: each model is tried several times, then the next one, until one answers.
//!
//! A failure that may pass is tried again; a refusal moves on to the next model; a request that every model would
//! refuse, or that does not fit, ends the call at once. Whatever was streamed by a failed attempt is revoked before
//! the next one starts.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;

use crate::backoff::{Setback, pause};
use crate::observer::{Attempt, outcome};
use crate::provider::{Call, CallError, Provider};
use crate::size::MAX_ANSWER;
use crate::{Cause, Completion, Delta, Error, Failure, ModelRequest, Models, OnDelta};

/// A model's failure, and what the chain does about it.
enum Verdict {
    /// The next model may do better.
    Next(Error),
    /// No model would do better.
    Stop(Error),
}

impl Models {
    /// Asks the models of `chain` (full names), in order, until one answers. Each is tried again with pauses that grow,
    /// and that follow `Retry-After`; then comes the next. `on_delta` receives the text while it is being made.
    /// Dropping the future cancels the call and closes its connection.
    ///
    /// # Errors
    /// `ContextTooLong`, `AnswerTooLarge`, and `Refused` for a malformed request (400, 422) end the call at once. When
    /// the chain is at its end: `Exhausted` if any failure may pass, otherwise the first model's refusal.
    pub async fn complete(
        &self,
        chain: &[String],
        request: &ModelRequest<'_>,
        on_delta: OnDelta<'_>,
    ) -> Result<Completion, Error> {
        let mut attempts = Attempts { start: Instant::now(), made: 0, streamed: false, on_delta };
        let mut error = None;
        for (position, name) in chain.iter().enumerate() {
            let alternative = position + 1 < chain.len();
            match self.ask(name, alternative, request, &mut attempts).await {
                Ok(completion) => return Ok(completion),
                Err(Verdict::Stop(error)) => return Err(error),
                Err(Verdict::Next(next)) => error = Some(graver(error, next)),
            }
        }
        let error = error.unwrap_or_else(|| Error::UnknownModel { name: String::new() });
        Err(error.with_attempts(attempts.made))
    }

    /// Tries one model until it answers or is not to be tried again.
    async fn ask(
        &self,
        name: &str,
        alternative: bool,
        request: &ModelRequest<'_>,
        attempts: &mut Attempts<'_>,
    ) -> Result<Completion, Verdict> {
        let Some((provider, call)) = self.call(name, request) else {
            return Err(Verdict::Next(Error::UnknownModel { name: name.to_owned() }));
        };
        let (mut tries, mut last) = (0, None);
        loop {
            if alternative && !self.breakers.admits(name, Instant::now()) {
                return Err(Verdict::Next(may_pass(last.unwrap_or_else(|| passed_over(name)))));
            }
            tries += 1;
            let asked = Instant::now();
            let made = attempts.make(provider, &call, tries).await;
            if let Some(observer) = &self.observer {
                observer.attempted(&Attempt::of(name, asked.elapsed(), &made));
            }
            let error = match made {
                Ok(completion) => {
                    self.breakers.succeeded(name);
                    return Ok(completion);
                }
                Err(error) => error,
            };
            let failure = judge(name, error)?;
            self.breakers.failed(name, Instant::now());
            match self.pause(tries, alternative, attempts, failure.retry_after) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(Verdict::Next(may_pass(failure))),
            }
            last = Some(failure);
        }
    }

    fn pause(
        &self,
        tries: u32,
        alternative: bool,
        attempts: &Attempts<'_>,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let setback =
            Setback { attempts: tries, elapsed: attempts.start.elapsed(), retry_after, alternative };
        pause(&self.retry, setback, fastrand::f64())
    }
}

/// The attempts of one call, over all its models.
struct Attempts<'a> {
    start: Instant,
    made: u32,
    /// The caller holds text of an attempt that failed.
    streamed: bool,
    on_delta: OnDelta<'a>,
}

impl Attempts<'_> {
    async fn make(
        &mut self,
        provider: &dyn Provider,
        call: &Call<'_>,
        attempt: u32,
    ) -> Result<Completion, CallError> {
        self.made += 1;
        if std::mem::take(&mut self.streamed) {
            (self.on_delta)(Delta::Restart);
        }
        let Self { streamed, on_delta, .. } = self;
        let mut tap = |delta: Delta<'_>| {
            *streamed = true;
            on_delta(delta);
        };
        let name = call.info.name.as_str();
        let provider_id = name.split('/').next().unwrap_or_default();
        let span = tracing::debug_span!("model_call", provider = provider_id, model = call.id, attempt);
        let traced = regrow_trace::chat(provider_id, call.id, attempt);
        let made = provider.stream(call, &mut tap).instrument(span).instrument(traced.clone()).await;
        match &made {
            Ok(answer) => regrow_trace::answered(&traced, &answer.model, answer.stop, answer.usage),
            Err(error) => regrow_trace::failed(&traced, outcome(error)),
        }
        made
    }
}

/// What a failed attempt means: a failure that may pass, or the model's verdict.
fn judge(name: &str, error: CallError) -> Result<Failure, Verdict> {
    let model = name.to_owned();
    tracing::debug!(model, ?error, "model call failed");
    Err(match error {
        CallError::Transient { cause, message, retry_after } => {
            return Ok(Failure { model, cause, message, retry_after });
        }
        // What one model cannot read, the next one cannot read either.
        CallError::Refused { status: status @ (400 | 422), message } => {
            Verdict::Stop(Error::Refused { model, status, message })
        }
        CallError::Refused { status, message } => Verdict::Next(Error::Refused { model, status, message }),
        CallError::ContextTooLong { message } => Verdict::Stop(Error::ContextTooLong { model, message }),
        CallError::AnswerTooLarge => Verdict::Stop(Error::AnswerTooLarge { model, limit: MAX_ANSWER }),
        CallError::Misconfigured { message } => {
            let provider = name.split('/').next().unwrap_or_default().to_owned();
            Verdict::Next(Error::Misconfigured { provider, message })
        }
    })
}

fn passed_over(name: &str) -> Failure {
    let message = "it failed several times in a row a moment ago".to_owned();
    Failure { model: name.to_owned(), cause: Cause::CircuitOpen, message, retry_after: None }
}

/// The error of a model whose last failure this was; the attempts are counted at the end of the chain.
fn may_pass(last: Failure) -> Error {
    Error::Exhausted { attempts: 0, last }
}

/// Which of two models' errors the caller gets: one that may pass before one that will not, a real failure before a
/// model that was passed over, then the later failure but the earlier refusal, since the first model is the one that
/// was wanted.
fn graver(earlier: Option<Error>, later: Error) -> Error {
    let passed_over =
        |error: &Error| matches!(error, Error::Exhausted { last, .. } if last.cause == Cause::CircuitOpen);
    match earlier {
        None => later,
        Some(earlier) if earlier.is_transient() && (!later.is_transient() || passed_over(&later)) => earlier,
        Some(earlier) if !later.is_transient() => earlier,
        Some(_) => later,
    }
}

impl Error {
    fn with_attempts(self, attempts: u32) -> Self {
        match self {
            Self::Exhausted { last, .. } => Self::Exhausted { attempts, last },
            error => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_gets_the_error_it_can_act_on() {
        let exhausted = |model: &str, cause| {
            let last = Failure { model: model.to_owned(), cause, message: String::new(), retry_after: None };
            Error::Exhausted { attempts: 0, last }
        };
        let refused =
            |model: &str| Error::Refused { model: model.to_owned(), status: 401, message: String::new() };
        let (early, late) = (exhausted("a", Cause::Cut), exhausted("b", Cause::Cut));
        let (open, no, never) = (exhausted("c", Cause::CircuitOpen), refused("d"), refused("e"));
        for (errors, want) in [
            ([&early, &late], &late),
            ([&no, &never], &no),
            ([&no, &late], &late),
            ([&early, &no], &early),
            ([&open, &no], &open),
            ([&open, &late], &late),
            ([&early, &open], &early),
        ] {
            let got = errors.into_iter().cloned().fold(None, |error, next| Some(graver(error, next)));
            assert_eq!(got.as_ref(), Some(want));
        }
    }
}
