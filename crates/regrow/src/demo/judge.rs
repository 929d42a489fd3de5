//! Whether a reply is the one that a message must get. The demo model counts the messages that it sees and tells the
//! number, so a reply shows from the outside whether a message before it was lost, doubled or late.

use super::plan::{Message, Wanted};

/// What every reply begins with.
const WHO: &str = "I am Regrow's built-in demo model";

/// What stands around the number.
const NUMBER: (&str, &str) = (" This is message ", " of our conversation. ");

/// What is to be said of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is what must be answered, at the message's place.
    Right,
    /// It is what must be answered, but the model saw another number of messages.
    Misplaced {
        /// How many.
        number: usize,
    },
    /// It is something else, or not whole.
    Wrong,
}

/// Judges the reply to the message at this place of its conversation; the first is 1.
pub(super) fn judge(message: &Message, place: usize, reply: &str) -> Judgement {
    let Some((number, said)) = read(reply) else { return Judgement::Wrong };
    let report = said.strip_prefix("The tools answered:\n- ");
    let right = match &message.wanted {
        Wanted::Echo => said.strip_prefix("You said: ") == Some(&message.text),
        Wanted::Report(wanted) => report == Some(wanted),
        Wanted::ReportBeginning(beginning) => report.is_some_and(|report| report.starts_with(beginning)),
    };
    match right {
        false => Judgement::Wrong,
        true if number == place => Judgement::Right,
        true => Judgement::Misplaced { number },
    }
}

/// The number that a reply tells, and what it says behind it.
fn read(reply: &str) -> Option<(usize, &str)> {
    let (before, rest) = reply.split_once(NUMBER.0)?;
    let (number, said) = rest.split_once(NUMBER.1)?;
    let whole = [".", ", so I only echo."].iter().any(|end| before.strip_prefix(WHO) == Some(end));
    Some((number.parse().ok().filter(|_| whole)?, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(wanted: Wanted) -> Message {
        Message { key: "k".to_owned(), text: "k leaf".to_owned(), wanted, at_once: false, words: 1 }
    }

    #[test]
    fn only_the_whole_reply_at_its_place_is_right() {
        let echo = message(Wanted::Echo);
        let said = "I am Regrow's built-in demo model, so I only echo. This is message 2 of our conversation. You said: ";
        for (place, reply, want) in [
            (2, format!("{said}k leaf"), Judgement::Right),
            (3, format!("{said}k leaf"), Judgement::Misplaced { number: 2 }),
            (2, format!("{said}k lea"), Judgement::Wrong),
            (2, format!("{said}k leafleaf"), Judgement::Wrong),
            (2, format!("I am {said}k leaf"), Judgement::Wrong),
            (2, format!("{said}{said}k leaf"), Judgement::Wrong),
            (2, said.to_owned(), Judgement::Wrong),
            (2, String::new(), Judgement::Wrong),
        ] {
            assert_eq!(judge(&echo, place, &reply), want, "{reply}");
        }
    }

    #[test]
    fn reports_of_tools_are_read() {
        let said = "I am Regrow's built-in demo model. This is message 1 of our conversation. The tools answered:\n- ";
        let read = message(Wanted::Report("read: oak".to_owned()));
        assert_eq!(judge(&read, 1, &format!("{said}read: oak")), Judgement::Right);
        assert_eq!(judge(&read, 1, &format!("{said}read (failed): no file")), Judgement::Wrong);
        let status = message(Wanted::ReportBeginning("session_status: "));
        assert_eq!(judge(&status, 1, &format!("{said}session_status: fine")), Judgement::Right);
        assert_eq!(judge(&status, 1, &format!("{said}write: fine")), Judgement::Wrong);
    }
}
