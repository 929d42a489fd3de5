//! Reading what is asked, and handing it in so that a client that leaves cannot cut the submission in half.

use regrow_agent::Inbound;
use regrow_protocol::openai::{ChatRequest, Document};
use regrow_protocol::{SessionKey, TraceContext};
use regrow_worker::{Submission, SubmitError, Ticket};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::address::Address;
use crate::app::App;
use crate::engine::Engine;
use crate::read_body::ReadBody;
use crate::refusal::Refusal;

/// Above this many bytes a body is parsed beside the event loop: parsing takes milliseconds for each megabyte.
const PARSED_INLINE: usize = 256 << 10;

/// What is asked.
pub(super) struct Asked {
    /// The request.
    pub(super) request: ChatRequest,
    /// A digest of the request.
    pub(super) digest: Sha256,
    /// The body's share of the room for bodies.
    pub(super) room: OwnedSemaphorePermit,
}

/// Reads a body.
pub(super) async fn parse(body: ReadBody) -> Result<Asked, Refusal> {
    if body.bytes.len() <= PARSED_INLINE {
        return parse_now(body);
    }
    let parsed = tokio::task::spawn_blocking(move || parse_now(body)).await;
    parsed.unwrap_or_else(|error| {
        tracing::error!(%error, "a body could not be parsed");
        Err(Refusal::internal())
    })
}

fn parse_now(body: ReadBody) -> Result<Asked, Refusal> {
    let document = Document::parse(&body.bytes)?;
    let mut digest = Sha256::new();
    document.digest_into(&mut digest);
    Ok(Asked { request: ChatRequest::read(document)?, digest, room: body.room })
}

/// Hands the message in.
///
/// It is done in a task of its own: if the client leaves in between, the worker still finishes what it has begun, and a
/// message without a key that was accepted for nobody is aborted.
pub(super) async fn submit<E: Engine>(
    app: &App<E>,
    session: SessionKey,
    inbound: Inbound,
    key: Option<&str>,
    fingerprint: u64,
) -> Result<Ticket, Refusal> {
    let keyed = key.is_some();
    let submission = Submission { session, key: key.map(str::to_owned), fingerprint, inbound };
    let (sender, receiver) = oneshot::channel();
    let engine = app.engine.clone();
    app.tasks.spawn(async move {
        let submitted = engine.submit(submission).await;
        if let Err(Ok(unwanted)) = sender.send(submitted)
            && !keyed
        {
            // It is also ended by the run's own time limit, should this fail.
            let _ = engine.abort(unwanted.run).await;
        }
    });
    let submitted: Result<Ticket, SubmitError> = receiver.await.map_err(|_| {
        tracing::error!("a submission panicked");
        Refusal::internal()
    })?;
    Ok(submitted?)
}

/// What is asked, as it is stored.
pub(super) fn inbound(request: ChatRequest, model: Option<String>, trace: Option<TraceContext>) -> Inbound {
    Inbound {
        messages: request.messages,
        tools: request.tools,
        tool_choice: request.tool_choice,
        sampling: request.sampling,
        model,
        trace,
    }
}

/// What tells a repeated request from another one: the body, the agent, and the model chosen by header. Not the session,
/// which is where the comparison is made.
pub(super) fn fingerprint(mut digest: Sha256, address: &Address) -> u64 {
    digest.update([0]);
    digest.update(address.session.agent().as_bytes());
    digest.update([0]);
    digest.update(address.model.as_deref().unwrap_or_default().as_bytes());
    let digest = digest.finalize();
    digest[..8].iter().fold(0, |print, byte| print << 8 | u64::from(*byte))
}
