//! Which agent a request is for, in which session, and with which model: OpenClaw's names and headers.

use http::{HeaderMap, HeaderName};
use regrow_protocol::SessionKey;
use regrow_protocol::openai::ChatRequest;
use uuid::Uuid;

use super::key;
use crate::header;
use crate::models::{Roster, Target};
use crate::refusal::Refusal;

/// The session to use, and in answers the one that was used.
pub(super) const SESSION_KEY: HeaderName = HeaderName::from_static("x-openclaw-session-key");

/// The model to use instead of the agent's.
const MODEL: HeaderName = HeaderName::from_static("x-openclaw-model");

/// The agent to use when `model` does not name one; the first that is there counts.
const AGENT: [HeaderName; 2] =
    [HeaderName::from_static("x-openclaw-agent-id"), HeaderName::from_static("x-openclaw-agent")];

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Address {
    /// The session; it names the agent.
    pub(super) session: SessionKey,
    /// The sender chose the session, directly or by its key, so that asking again leads there again.
    pub(super) named: bool,
    /// The model to use instead of the agent's, as `provider/model`.
    pub(super) model: Option<String>,
}

/// Finds out where a request goes.
pub(super) fn of(
    roster: &Roster,
    model_known: &dyn Fn(&str) -> bool,
    headers: &HeaderMap,
    request: &ChatRequest,
    key: Option<&str>,
) -> Result<Address, Refusal> {
    let (agent, chosen) = agent(roster, headers, &request.model)?;
    let (session, named) = match header::text(headers, &SESSION_KEY)? {
        // Without any choice of an agent, the session's own answers.
        Some(text) => (given_session(text, agent, |other| !chosen && roster.agent(other).is_some())?, true),
        None => own_session(request, key, agent)?,
    };
    let model = header::text(headers, &MODEL)?;
    if let Some(model) = model.filter(|model| !model_known(model)) {
        let problem = format!("`{MODEL}` is `{model}`, which is not a configured `provider/model`.");
        return Err(Refusal::invalid(problem, MODEL.as_str()));
    }
    Ok(Address { session, named, model: model.map(str::to_owned) })
}

/// The agent, and whether the request chose it.
fn agent<'a>(roster: &'a Roster, headers: &HeaderMap, model: &str) -> Result<(&'a str, bool), Refusal> {
    let target = roster.target(model)?;
    for name in &AGENT {
        let Some(id) = header::text(headers, name)? else { continue };
        let agent = roster.agent(id);
        let agent = agent
            .ok_or_else(|| Refusal::invalid(format!("`{name}` is `{id}`: no such agent."), name.as_str()))?;
        return match target {
            Target::Agent(named) if named != agent => {
                Err(Refusal::invalid(format!("`{name}` is `{id}`, but `model` is `{model}`."), name.as_str()))
            }
            _ => Ok((agent, true)),
        };
    }
    Ok(match target {
        Target::Any => (roster.default_agent(), false),
        Target::Agent(named) => (named, true),
    })
}

/// The session of a request that names none, and whether asking again leads there again.
fn own_session(request: &ChatRequest, key: Option<&str>, agent: &str) -> Result<(SessionKey, bool), Refusal> {
    let (name, param, named) = match (&request.user, key) {
        (Some(user), _) => (format!("agent:{agent}:openai-user:{user}"), "user", true),
        (None, Some(key)) => {
            (format!("agent:{agent}:openai:{}", key::session_name(key)), "idempotency-key", true)
        }
        (None, None) => (format!("agent:{agent}:openai:{}", Uuid::new_v4()), "model", false),
    };
    let session = name.parse().map_err(|error| Refusal::invalid(format!("`{param}`: {error}."), param))?;
    Ok((session, named))
}

fn given_session(text: &str, agent: &str, may_answer: impl Fn(&str) -> bool) -> Result<SessionKey, Refusal> {
    let refuse = |problem: String| Refusal::invalid(problem, SESSION_KEY.as_str());
    let session = SessionKey::from_caller(text, agent);
    let session = session.map_err(|error| refuse(format!("`{SESSION_KEY}`: {error}.")))?;
    if session.agent() != agent && !may_answer(session.agent()) {
        let other = session.agent();
        return Err(refuse(format!(
            "`{SESSION_KEY}` names the agent `{other}`, but the request goes to `{agent}`: set `model` to `openclaw/{other}`."
        )));
    }
    Ok(session)
}
