//! One turn at a time: what the gateway adds to the model's own time.
//!
//! Each turn through the gateway has the same question asked of the model itself beside it, now before it and now
//! behind it, and the figures are those of the differences. Each turn begins a session, so that both send the model a
//! history of the same length.

use anyhow::Result;

use super::report::millis;
use super::samples::Samples;
use super::stage::{NO_MODEL, QUESTION, Stage, answered};
use super::{Options, Section};
use crate::client::{Client, Reply, Turn};

/// A pace at which the first token does not come together with the end.
const PACED: &str = "[[delay_ms=2]] How are you today?";

/// What is looked at in a reply, in milliseconds.
type Look = fn(&Reply) -> f64;

/// One kind of turn and its times.
struct Kind {
    id: &'static str,
    name: &'static str,
    turn: Turn,
    look: Look,
    /// Through the gateway.
    through: Samples,
    /// The differences to the model itself.
    added: Samples,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let stage = Stage::warm(options, 1).await?;
    let total: Look = |reply| millis(reply.total);
    let first: Look = |reply| millis(reply.first_token.unwrap_or(reply.total));
    let mut kinds = [
        Kind::new("streamed", "streamed", stage.turn(QUESTION).streamed(), total),
        Kind::new("whole", "not streamed", stage.turn(QUESTION), total),
        Kind::new("first-token", "until the first token", stage.turn(PACED).streamed(), first),
    ];
    for number in 0..options.scale.pairs {
        for kind in &mut kinds {
            kind.pair(&stage, number).await?;
        }
    }
    for kind in &kinds {
        kind.report(section);
    }
    Ok(())
}

impl Kind {
    fn new(id: &'static str, name: &'static str, turn: Turn, look: Look) -> Self {
        Self { id, name, turn, look, through: Samples::default(), added: Samples::default() }
    }

    /// Times one turn and the same question to the model.
    async fn pair(&mut self, stage: &Stage, number: usize) -> Result<()> {
        let (turn, look) = (&self.turn, self.look);
        let gateway_turn = turn.clone().in_session(stage.session(&format!("{}-{number}", self.id)));
        let model_first = number % 2 == 1;
        let before = direct(stage.model.as_ref().filter(|_| model_first), turn, look).await?;
        let time = look(&answered(stage.gateway(), &gateway_turn).await?);
        let behind = direct(stage.model.as_ref().filter(|_| !model_first), turn, look).await?;
        self.through.push(time);
        if let Some(model) = before.or(behind) {
            self.added.push(time - model);
        }
        Ok(())
    }

    fn report(&self, section: &mut Section) {
        let (id, name) = (self.id, self.name);
        let median = self.through.median();
        section.add_if(&format!("{id}.turn"), format!("{name}: all in all, p50"), "ms", median, "no turns");
        for (share, label) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")] {
            let (id, name) = (format!("{id}.{label}"), format!("{name}: added by the gateway, {label}"));
            section.add_if(&id, name, "ms", self.added.quantile(share), NO_MODEL);
        }
    }
}

async fn direct(model: Option<&Client>, turn: &Turn, look: Look) -> Result<Option<f64>> {
    match model {
        Some(model) => Ok(Some(look(&answered(model, turn).await?))),
        None => Ok(None),
    }
}
