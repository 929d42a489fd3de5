//! What a turn costs by the length of the history before it.
//!
//! Sessions of each length are made first. Then their next turns are timed alternately, one at a time: a turn through
//! the gateway, and a request to the model itself with as many bytes as the gateway sends it for that turn. The
//! difference is the gateway's own time. Turns around the wanted one are timed too, because one turn is no measurement.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::report::millis;
use super::samples::Samples;
use super::stage::{NO_MODEL, QUESTION, Stage, answered};
use super::{Options, Section};
use crate::client::{Client, Reply, Turn};

/// One session as its client sees it.
struct Talk {
    turn: Turn,
    /// All that was said.
    said: Vec<Value>,
    /// Tokens of the last prompt, as the model counted them: a quarter of the bytes of the request.
    prompt_tokens: Option<usize>,
}

/// The times of turns around one number.
#[derive(Default)]
struct Times {
    total: Samples,
    own: Samples,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let stage = Stage::warm(options, 1).await?;
    let scale = &options.scale;
    let first = |number: usize| number.saturating_sub(scale.history_turns / 2).max(2);
    let mut lengths = Vec::new();
    for number in &scale.history {
        lengths.push(grow(&stage, *number, scale.history_sessions, first(*number) - 1).await?);
    }
    let mut times: Vec<Times> = scale.history.iter().map(|_| Times::default()).collect();
    for _ in 0..scale.history_turns {
        for session in 0..scale.history_sessions {
            for (talks, times) in lengths.iter_mut().zip(&mut times) {
                talks[session].time(&stage, times).await?;
            }
        }
    }
    report(&scale.history, &times, section);
    Ok(())
}

/// Makes sessions that have had so many turns, all at once.
async fn grow(stage: &Stage, number: usize, sessions: usize, turns: usize) -> Result<Vec<Talk>> {
    let mut growing = JoinSet::new();
    for session in 0..sessions {
        let key = stage.session(&format!("history-{number}-{session}"));
        let turn = stage.turn(QUESTION).in_session(key);
        let (client, mut talk) =
            (stage.gateway().clone(), Talk { turn, said: Vec::new(), prompt_tokens: None });
        growing.spawn(async move {
            for _ in 0..turns {
                talk.say(&client).await?;
            }
            anyhow::Ok(talk)
        });
    }
    let mut talks = Vec::new();
    while let Some(talk) = growing.join_next().await {
        talks.push(talk??);
    }
    Ok(talks)
}

/// What is looked at.
type Look = fn(&Times) -> Option<f64>;

impl Talk {
    /// Sends the next turn.
    async fn say(&mut self, client: &Client) -> Result<Reply> {
        let reply = answered(client, &self.turn).await?;
        self.said.extend(self.turn.messages.iter().cloned());
        let tokens = reply.usage.as_ref().and_then(|usage| usage["prompt_tokens"].as_u64());
        self.prompt_tokens = tokens.and_then(|tokens| usize::try_from(tokens).ok());
        // The scripted model says how many user messages it saw: a shortened history must not pass for a cheap one.
        let turns = self.said.len().div_ceil(2);
        ensure!(
            !reply.text.starts_with("reply to") || reply.text.contains(&format!(" turns={turns} ")),
            "turn {turns} did not see the whole history: {}",
            reply.text
        );
        self.said.push(json!({"role": "assistant", "content": reply.text}));
        Ok(reply)
    }

    /// Times the next turn, and what the model takes of it.
    async fn time(&mut self, stage: &Stage, times: &mut Times) -> Result<()> {
        let total = millis(self.say(stage.gateway()).await?.total);
        times.total.push(total);
        if let Some(model) = &stage.model {
            let reply = answered(model, &self.direct().context("a session has turns")?).await?;
            times.own.push(total - millis(reply.total));
        }
        Ok(())
    }

    /// The last turn as a request to the model itself: what was said before it, and as much text beside it as makes the
    /// request as long as the gateway's, which has a system prompt and tools.
    fn direct(&self) -> Option<Turn> {
        let (_reply, said) = self.said.split_last()?;
        let mut turn = Turn { session: None, messages: said.to_vec(), ..self.turn.clone() };
        let length = Value::from(turn.messages.as_slice()).to_string().len();
        let padding = self.prompt_tokens.map_or(0, |tokens| (tokens * 4).saturating_sub(length));
        turn.messages.insert(0, json!({"role": "system", "content": "x".repeat(padding)}));
        Some(turn)
    }
}

fn report(numbers: &[usize], times: &[Times], section: &mut Section) {
    let looks: [(&str, &str, Look); 2] = [
        ("total", "all in all", |times| times.total.median()),
        ("own", "added by the gateway", |times| times.own.median()),
    ];
    for (id, name, look) in looks {
        let medians: Vec<Option<f64>> = times.iter().map(look).collect();
        for (number, median) in numbers.iter().zip(&medians) {
            section.add_if(
                &format!("{id}.{number}"),
                format!("turn {number}: {name}"),
                "ms",
                *median,
                NO_MODEL,
            );
        }
        if let ([low, ..], [.., high]) = (numbers, numbers)
            && let ([first, ..], [.., last]) = (&medians[..], &medians[..])
        {
            let ratio = last.zip(*first).map(|(last, first)| last / first);
            section.add_if(
                &format!("{id}.ratio"),
                format!("turn {high} to turn {low}: {name}"),
                "times",
                ratio,
                NO_MODEL,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_to_the_model_is_as_long_as_the_gateways() {
        let said = |role: &str, text: &str| json!({"role": role, "content": text});
        let said = vec![said("user", "a"), said("assistant", "b"), said("user", "c"), said("assistant", "d")];
        let talk = Talk { turn: Turn::user("c").in_session("s"), said, prompt_tokens: Some(500) };
        let direct = talk.direct().unwrap();
        assert_eq!((direct.session, direct.messages.len()), (None, 4));
        assert_eq!(direct.messages[3]["content"], "c");
        let length = Value::from(direct.messages).to_string().len();
        assert!((1_990..2_100).contains(&length), "{length}");
    }
}
