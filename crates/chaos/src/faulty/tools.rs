//! Tools that do one thing each: they tell a witness that they were called, and for which message. What the witness
//! holds is what happened to the world outside.

use std::sync::Arc;

use async_trait::async_trait;
use regrow_faults::{Moment, Point};
use regrow_protocol::ToolSpec;
use regrow_tools::{Class, Context, Output, Tool};
use serde_json::{Value, json};

use super::{WITNESS, fail_points};
use crate::model_server::Effect;

/// The result of a call that the witness has seen.
pub(crate) const KNOWN: &str = "the witness knows";

/// One tool of each class, if there is a witness.
pub(super) fn probes() -> Vec<Arc<dyn Tool>> {
    let Ok(witness) = std::env::var(WITNESS) else { return Vec::new() };
    let classes =
        [("probe_pure", Class::Pure), ("probe_keyed", Class::Keyed), ("probe_unsafe", Class::Unsafe)];
    let tool = |(name, class)| Arc::new(Probe::new(name, class, &witness)) as Arc<dyn Tool>;
    classes.into_iter().map(tool).collect()
}

struct Probe {
    spec: ToolSpec,
    class: Class,
    witness: String,
    http: reqwest::Client,
}

impl Probe {
    fn new(name: &str, class: Class, witness: &str) -> Self {
        let spec = ToolSpec {
            name: name.to_owned(),
            description: "Tells a witness that it was called.".to_owned(),
            parameters: json!({"type": "object", "properties": {"message": {"type": "string"}}}),
            strict: false,
        };
        Self { spec, class, witness: witness.to_owned(), http: reqwest::Client::new() }
    }

    async fn tell(&self, key: &str, message: &str) -> Result<(), String> {
        let fail_points = fail_points()?;
        let error = |error: regrow_store::Error| error.to_string();
        fail_points.reach(Point::Tool, Moment::Before).map_err(error)?;
        let effect =
            Effect { tool: self.spec.name.clone(), key: key.to_owned(), message: message.to_owned() };
        let sent = self.http.post(&self.witness).json(&effect).send().await;
        sent.and_then(reqwest::Response::error_for_status).map_err(|error| error.to_string())?;
        fail_points.reach(Point::Tool, Moment::After).map_err(error)
    }
}

#[async_trait]
impl Tool for Probe {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn class(&self) -> Class {
        self.class
    }

    async fn call(&self, context: &Context<'_>, arguments: Value) -> Output {
        match self.tell(context.key, arguments["message"].as_str().unwrap_or_default()).await {
            Ok(()) => Output::ok(KNOWN),
            Err(error) => Output::error(error),
        }
    }
}
