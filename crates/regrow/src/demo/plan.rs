//! What is asked: conversations of several messages, and what must be answered to each. It is a function of the seed, so
//! that a run that showed something can be made again.

use fastrand::Rng;
use serde_json::json;

/// What the messages are made of.
const WORDS: [&str; 24] = [
    "root", "stem", "leaf", "bud", "seed", "bark", "sap", "moss", "fern", "oak", "elm", "ash", "rain", "sun",
    "soil", "frost", "spring", "branch", "bloom", "grove", "meadow", "river", "stone", "wind",
];

/// How many words a message or a note has.
const LENGTH: std::ops::RangeInclusive<usize> = 15..=60;

/// Messages of a conversation.
const MESSAGES: std::ops::RangeInclusive<usize> = 3..=5;

/// Words that the demo model says beside what it was told.
const AROUND: usize = 18;

/// One conversation.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    /// Its session key.
    pub(super) session: String,
    /// Its messages, in the order in which they are sent.
    pub(super) messages: Vec<Message>,
}

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Its idempotency key; its text begins with it, so no two texts are alike.
    pub(super) key: String,
    /// What is sent.
    pub(super) text: String,
    /// What must be answered.
    pub(super) wanted: Wanted,
    /// It is sent as soon as the message before it is accepted, while that one is being answered.
    pub(super) at_once: bool,
    /// About how many words the reply has.
    pub(super) words: usize,
}

/// What a reply must say, behind the words that all have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The message itself.
    Echo,
    /// This report of a tool.
    Report(String),
    /// A report of a tool that begins like this.
    ReportBeginning(&'static str),
}

/// Makes the conversations.
pub(super) fn conversations(count: usize, rng: &mut Rng) -> Vec<Conversation> {
    (1..=count).map(|number| conversation(number, rng)).collect()
}

/// How many words the replies have, all together.
pub(super) fn words(conversations: &[Conversation]) -> usize {
    conversations.iter().flat_map(|conversation| &conversation.messages).map(|message| message.words).sum()
}

fn conversation(number: usize, rng: &mut Rng) -> Conversation {
    let session = format!("demo-{number:04}");
    let mut note = None;
    let messages = (1..=rng.usize(MESSAGES))
        .map(|place| {
            let key = format!("{session}-{place}");
            let at_once = place > 1 && rng.u8(..10) < 3;
            message(key, at_once, &format!("{session}.txt"), &mut note, rng)
        })
        .collect();
    Conversation { session, messages }
}

/// A message: most are echoed, others have a tool called. `note` is what the conversation has written into `file`.
fn message(key: String, at_once: bool, file: &str, note: &mut Option<String>, rng: &mut Rng) -> Message {
    let words = rng.usize(LENGTH);
    let said = say(words, rng);
    let (text, wanted) = match (rng.u8(..10), &*note) {
        (0..2, _) => {
            let call = json!({"path": file, "content": said});
            let report = format!("write: Wrote {} bytes to `{file}`.", said.len());
            *note = Some(said);
            (format!("{key}\n/tool write {call}"), Wanted::Report(report))
        }
        (2..4, Some(note)) => {
            let call = json!({"path": file});
            (format!("{key}\n/tool read {call}"), Wanted::Report(format!("read: {note}")))
        }
        (4, _) => (format!("{key}\n/tool session_status"), Wanted::ReportBeginning("session_status: ")),
        _ => (format!("{key} {said}"), Wanted::Echo),
    };
    Message { key, text, wanted, at_once, words: words + AROUND }
}

fn say(count: usize, rng: &mut Rng) -> String {
    let words: Vec<&str> = (0..count).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan(seed: u64) -> Vec<Conversation> {
        conversations(200, &mut Rng::with_seed(seed))
    }

    #[test]
    fn a_seed_gives_one_plan() {
        let texts = |seed| -> Vec<String> {
            plan(seed).into_iter().flat_map(|c| c.messages).map(|m| m.text).collect()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
        assert_eq!(texts(1).iter().collect::<HashSet<_>>().len(), texts(1).len(), "no two texts are alike");
    }

    #[test]
    fn there_is_some_of_everything() {
        let plan = plan(1);
        let messages: Vec<&Message> = plan.iter().flat_map(|conversation| &conversation.messages).collect();
        let begins = |word: &str| {
            let is = |wanted: &Wanted| matches!(wanted, Wanted::Report(report) if report.starts_with(word));
            messages.iter().any(|message| is(&message.wanted))
        };
        assert!(begins("write: ") && begins("read: "));
        assert!(messages.iter().any(|message| matches!(message.wanted, Wanted::ReportBeginning(_))));
        assert!(messages.iter().any(|message| message.wanted == Wanted::Echo));
        assert!(messages.iter().any(|message| message.at_once));
        assert!(plan.iter().all(|conversation| !conversation.messages[0].at_once));
    }
}
