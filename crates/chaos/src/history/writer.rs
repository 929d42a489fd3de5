//! I4: a session has one history. Two writers would make two: what clients were told, what the model was shown later, and
//! what it is shown at the end would differ.

use super::Promise;
use super::check::Session;

pub(super) fn judge(session: &mut Session<'_>) {
    let mut wrong = Vec::new();
    if let Some(census) = &session.census {
        for (message, heard) in census.order.iter().zip(census.answers) {
            if let Some((told, _)) = session.reply(message)
                && *heard != told
                && Some(message) != census.order.last()
            {
                let what = if *heard == 0 { "without an answer" } else { "with another answer" };
                wrong.push(format!("{message} stands in the session {what} than its sender got"));
            }
        }
        for call in &session.calls {
            let before = call.heard.len().saturating_sub(1);
            let differs =
                call.heard.iter().zip(census.answers).take(before).position(|(heard, end)| heard != end);
            if let Some(at) = differs {
                let (asked, other) = (call.id.as_deref().unwrap_or_default(), census.order.get(at));
                wrong.push(format!(
                    "the call for {asked} was shown another answer to {} than the session has in the end",
                    other.unwrap_or(&"?")
                ));
            }
        }
    }
    wrong.into_iter().for_each(|what| session.broken(Promise::OneWriter, what));
}
