//! I3: messages are consumed in the order of acceptance, and each sees everything before it.

use std::time::Duration;

use super::Promise;
use super::check::Session;

pub(super) fn judge(session: &mut Session<'_>) {
    let wrong: Vec<String> = prefixes(session).chain(real_time(session)).collect();
    wrong.into_iter().for_each(|what| session.broken(Promise::InOrder, what));
}

/// What a call was shown is the beginning of what the session has become, up to the call's own message.
fn prefixes<'a>(session: &'a Session<'_>) -> impl Iterator<Item = String> + 'a {
    let census = session.census.iter();
    census.flat_map(|census| {
        session.calls.iter().filter_map(|call| {
            let (seen, id) = (call.seen_ids(), call.id.as_deref()?);
            let own = census.order.iter().position(|other| *other == id);
            let expected = own.map(|own| &census.order[..=own]);
            (expected != Some(&seen[..])).then(|| {
                format!("the call for {id} was shown {seen:?}, and the session has become {:?}", census.order)
            })
        })
    })
}

/// Who was acknowledged before another was sent comes first.
fn real_time(session: &Session<'_>) -> Vec<String> {
    let Some(census) = &session.census else { return Vec::new() };
    let mut wrong = Vec::new();
    // The latest moment at which an earlier message was sent for the first time.
    let mut latest: Option<(Duration, &str)> = None;
    for message in &census.order {
        let Some(asks) = session.messages.get(message) else { continue };
        let accepted = asks.iter().filter_map(|ask| ask.accepted.as_ref()).map(|(at, _)| *at).min();
        if let (Some((sent, earlier)), Some(accepted)) = (latest, accepted)
            && accepted < sent
        {
            wrong.push(format!("{message} was acknowledged before {earlier} was sent, and stands behind it"));
        }
        let sent = asks.iter().map(|ask| ask.sent).min();
        latest = latest.max(sent.map(|sent| (sent, *message)));
    }
    wrong
}
