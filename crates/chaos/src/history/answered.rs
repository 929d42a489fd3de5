//! I2: every accepted message has exactly one end, the same for everybody who asks.

use std::collections::BTreeSet;

use super::check::Session;
use super::{Ask, Outcome, Promise};

/// Replicas that must have died under a run, at the least, before it may be given up.
const DEATHS: usize = 3;

pub(super) fn judge(session: &mut Session<'_>) {
    let mut wrong = Vec::new();
    for (message, asks) in &session.messages {
        let ends: BTreeSet<String> = asks.iter().filter_map(|ask| end(ask)).collect();
        let accepted = asks.iter().any(|ask| ask.accepted.is_some());
        match ends.len() {
            0 if accepted => wrong.push(format!("{message} was accepted, and nobody was told its end")),
            0 if !asks.iter().all(|ask| matches!(ask.outcome, Outcome::Refused(_))) => {
                wrong.push(format!("{message} was sent until patience was at an end, and was not refused"));
            }
            0 | 1 => {}
            _ => wrong.push(format!("{message} has several ends: {ends:?}")),
        }
        if let Some(ask) = asks.iter().find(|ask| matches!(ask.outcome, Outcome::Failed(_)))
            && !may_fail(session, asks, ask)
        {
            wrong.push(format!("{message} failed without a cause: {:?}", ask.outcome));
        }
    }
    wrong.extend(invented(session));
    if session.census.is_none() {
        wrong.push("the model was never asked about the session's last message".to_owned());
    }
    wrong.into_iter().for_each(|what| session.broken(Promise::AnsweredOnce, what));
}

/// What the model never said to a message, and its sender got: a reply is an answer as a whole, a stream that did not
/// come to its end the beginning of one; of the reply, if that was known before.
fn invented<'a>(session: &'a Session<'_>) -> impl Iterator<Item = String> + 'a {
    session.messages.iter().filter_map(|(message, asks)| {
        let first = session.first_answered(message);
        let answers = || {
            let calls = session.calls.iter().filter(|call| call.id.as_deref() == Some(message));
            calls.map(|call| &*call.answer)
        };
        let said = |ask: &&&Ask| {
            let text = ask.whole_text();
            match (&ask.outcome, first) {
                (Outcome::Answered, _) => answers().any(|answer| answer == text),
                (_, Some(first)) if first.ended < ask.sent && ask.resumed.is_empty() => {
                    first.whole_text().starts_with(&text)
                }
                _ => text.is_empty() || answers().any(|answer| answer.starts_with(&text)),
            }
        };
        let ask = asks.iter().find(|ask| !said(ask))?;
        let (told, said) = (ask.whole_text(), answers().collect::<BTreeSet<_>>());
        let known = first.filter(|first| first.ended < ask.sent).map(Ask::whole_text);
        Some(format!(
            "{message} was told what the model never said to it: {told:?}, sent {:?}, which ended as {:?}; the model \
             said {said:?}; known before was {known:?}",
            ask.sent, ask.outcome
        ))
    })
}

/// The end that a request was told of.
fn end(ask: &Ask) -> Option<String> {
    match &ask.outcome {
        Outcome::Answered => Some(ask.whole_text()),
        Outcome::Failed(code) => Some(format!("failed: {code}")),
        Outcome::Diverged | Outcome::Refused(_) | Outcome::Lost => None,
    }
}

/// A run may be given up if replicas kept dying under it, and ends early if its sender wants that.
fn may_fail(session: &Session<'_>, asks: &[&Ask], failed: &Ask) -> bool {
    if failed.outcome == Outcome::Failed("run_aborted".to_owned()) {
        return session.aborted.contains(&failed.message);
    }
    let begun = asks.iter().map(|ask| ask.sent).min().unwrap_or_default();
    let deaths = session.harms.iter().filter(|harm| harm.from <= failed.ended && harm.until >= begun);
    failed.outcome == Outcome::Failed("run_crashed".to_owned())
        && deaths.map(|harm| harm.kind.excuses()).sum::<usize>() >= DEATHS
}
