//! The tally: from what every sender was told, what was told again, and what the store has recorded, to the number of
//! broken promises. It is a pure function of the history, and its tests show that it sees each kind of break.

use super::again::Again;
use super::conversation::Told;
use super::judge::{Judgement, judge};
use super::plan::Message;
use super::witness::{Log, Record};

/// The most breaks that are described.
const DESCRIBED: usize = 20;

/// All that is known of one conversation.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// Its messages that were sent, with what their senders were told at first and when they asked again.
    pub(super) messages: Vec<(Message, Told, Vec<Again>)>,
    /// What is recorded of it.
    pub(super) log: Log,
}

/// How many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Messages that a gateway has accepted.
    pub(super) accepted: usize,
    /// Those whose sender has the whole reply that it must get.
    pub(super) answered: usize,
    /// Those that have no end, no reply, or a wrong one.
    pub(super) lost: usize,
    /// Those that were consumed, run or answered more than once.
    pub(super) duplicated: usize,
    /// Those that did not come at their place.
    pub(super) out_of_order: usize,
    /// Entries that a former owner wrote.
    pub(super) stale: usize,
    /// Messages that nobody accepted. No promise was given for them.
    pub(super) refused: usize,
    /// Replies that were asked for again.
    pub(super) asked_again: usize,
    /// The first breaks, in words.
    pub(super) breaks: Vec<String>,
}

impl Tally {
    pub(super) fn of(histories: &[History]) -> Self {
        let mut tally = Self::default();
        for history in histories {
            tally.count_conversation(history);
        }
        tally
    }

    /// A promise is broken.
    pub(super) fn is_broken(&self) -> bool {
        self.lost + self.duplicated + self.out_of_order + self.stale > 0
    }

    fn count_conversation(&mut self, history: &History) {
        let nothing = Record::default();
        for (position, (message, told, again)) in history.messages.iter().enumerate() {
            let record = history.log.messages.get(&message.text).unwrap_or(&nothing);
            self.count_message(message, position + 1, told, again, record);
        }
        let sent = |text: &String| history.messages.iter().any(|(message, ..)| message.text == *text);
        for text in history.log.messages.keys().filter(|text| !sent(text)) {
            self.duplicated += 1;
            self.describe(format!("recorded, but never sent: {text}"));
        }
        if history.log.stale > 0 {
            self.stale += history.log.stale;
            let first = history.messages.first().map_or("", |(message, ..)| &message.key);
            self.describe(format!("{} entries by a former owner in the log of {first}", history.log.stale));
        }
    }

    fn count_message(
        &mut self,
        message: &Message,
        place: usize,
        told: &Told,
        again: &[Again],
        record: &Record,
    ) {
        let Some(run) = told.runs.first() else {
            self.refused += 1;
            return self.describe(format!("{}: refused: {}", message.key, why(told)));
        };
        self.accepted += 1;
        let judgement = told.text.as_ref().map(|text| judge(message, place, text));
        self.answered += usize::from(judgement == Some(Judgement::Right));
        self.asked_again += again.len();

        let lost = match judgement {
            None => Some(format!("no reply: {}", why(told))),
            Some(Judgement::Wrong) => Some(format!("a wrong reply: {:?}", told.text)),
            _ if again.contains(&None) => Some("no reply when asked again".to_owned()),
            _ if record.places.is_empty() => Some("not in the log".to_owned()),
            _ if record.ends == 0 || !record.done => Some("no end with a reply in the log".to_owned()),
            _ => None,
        };
        let first = told.text.as_ref();
        let differs =
            |(other, text): &(String, String)| other != run || first.is_some_and(|first| first != text);
        let duplicated = match record {
            _ if told.runs.len() > 1 => Some(format!("several runs: {}", told.runs.join(", "))),
            _ if again.iter().flatten().any(differs) => {
                Some("another run or reply when asked again".to_owned())
            }
            Record { places, .. } if places.len() > 1 => Some(format!("consumed {} times", places.len())),
            Record { ends, .. } if *ends > 1 => Some(format!("ended {ends} times")),
            _ => None,
        };
        let out_of_order = match (judgement, record.places.first()) {
            (Some(Judgement::Misplaced { number }), _) => Some(format!("the model saw {number} messages")),
            (_, Some(other)) if *other != place => Some(format!("recorded as message {other}")),
            _ => None,
        };
        for (count, what) in [
            (&mut self.lost, lost),
            (&mut self.duplicated, duplicated),
            (&mut self.out_of_order, out_of_order),
        ] {
            if let Some(what) = what {
                *count += 1;
                describe(&mut self.breaks, format!("{}, run {run}: {what}", message.key));
            }
        }
    }

    fn describe(&mut self, what: String) {
        describe(&mut self.breaks, what);
    }
}

fn describe(breaks: &mut Vec<String>, what: String) {
    if breaks.len() < DESCRIBED {
        breaks.push(what);
    }
}

fn why(told: &Told) -> &str {
    told.error.as_deref().unwrap_or("nobody knows why")
}

#[cfg(test)]
mod tests;
