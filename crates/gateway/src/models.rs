//! The agents as OpenAI models, and which agent a model name means.

use http::{Response, StatusCode};
use regrow_protocol::openai::{Model, ModelList};

use crate::body::Body;
use crate::refusal::Refusal;
use crate::respond;

/// Where single models are found.
pub(crate) const PREFIX: &str = "/v1/models/";

/// The name that leaves the choice of the agent open.
const GENERIC: &str = "openclaw";

/// The configured agents. Invariant: `models` holds the names of `agents` after the two general ones.
pub(crate) struct Roster {
    agents: Vec<String>,
    default: String,
    models: Vec<String>,
}

/// Which agent a model name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// None in particular: headers may choose one.
    Any,
    /// This one, which is configured.
    Agent(&'a str),
}

impl Roster {
    /// The agents with these ids.
    pub(crate) fn new(agents: Vec<String>, default: String) -> Self {
        let general = [GENERIC.to_owned(), format!("{GENERIC}/default")];
        let named = agents.iter().map(|agent| format!("{GENERIC}/{agent}"));
        let models = general.into_iter().chain(named).collect();
        Self { agents, default, models }
    }

    /// The agent that answers when none is named.
    pub(crate) fn default_agent(&self) -> &str {
        &self.default
    }

    /// What a model name means: `openclaw`, `openclaw/<id>`, `openclaw:<id>` or `agent:<id>`.
    pub(crate) fn target(&self, model: &str) -> Result<Target<'_>, Refusal> {
        if model == GENERIC {
            return Ok(Target::Any);
        }
        let id = ["openclaw/", "openclaw:", "agent:"].iter().find_map(|prefix| model.strip_prefix(prefix));
        let agent = id.and_then(|id| self.agent(id)).map(Target::Agent);
        agent.ok_or_else(|| {
            let models = self.models.join("`, `");
            Refusal::invalid(
                format!("`model` is `{model}`, which is not an agent: use one of `{models}`."),
                "model",
            )
        })
    }

    /// The configured agent of this id; `default` is the default one.
    pub(crate) fn agent(&self, id: &str) -> Option<&str> {
        if id == "default" {
            return Some(&self.default);
        }
        self.agents.iter().find(|agent| *agent == id).map(String::as_str)
    }

    /// `GET /v1/models`.
    pub(crate) fn list(&self) -> Response<Body> {
        let data = self.models.iter().map(|id| Model::new(id)).collect();
        respond::json(StatusCode::OK, &ModelList { object: "list", data })
    }

    /// `GET /v1/models/{id}`, the id as it stands in the path.
    pub(crate) fn show(&self, encoded: &str) -> Result<Response<Body>, Refusal> {
        let id = decode(encoded).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Refusal::malformed("Invalid model id."))?;
        if !self.models.contains(&id) {
            return Err(Refusal::not_found(format!("There is no model `{id}`.")));
        }
        Ok(respond::json(StatusCode::OK, &Model::new(&id)))
    }
}

/// Undoes percent-encoding; `None` if it is broken or does not give UTF-8 without control characters.
fn decode(encoded: &str) -> Option<String> {
    let mut rest = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok().filter(|id| !id.chars().any(char::is_control))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_means_an_agent() {
        let roster = Roster::new(vec!["main".into(), "ops".into()], "main".into());
        for (model, want) in [
            ("openclaw", Some(Target::Any)),
            ("openclaw/default", Some(Target::Agent("main"))),
            ("openclaw/ops", Some(Target::Agent("ops"))),
            ("openclaw:ops", Some(Target::Agent("ops"))),
            ("agent:ops", Some(Target::Agent("ops"))),
            ("openclaw/nobody", None),
            ("openclaw/", None),
            ("ops", None),
            ("gpt-5", None),
        ] {
            assert_eq!(roster.target(model).ok(), want, "{model}");
        }
    }

    #[test]
    fn undoes_percent_encoding() {
        for (encoded, want) in [
            ("openclaw/main", Some("openclaw/main")),
            ("openclaw%2Fmain", Some("openclaw/main")),
            ("openclaw%2fmain", Some("openclaw/main")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
            ("%00", None),
        ] {
            assert_eq!(decode(encoded).as_deref(), want, "{encoded}");
        }
    }
}
