//! What the scripted model answers, told independently of it, and what a client must get of it.

use regrow_chaos::client::Reply;

/// The answer to the message `id` of a model that saw the messages `seen` and was asked for `tokens` tokens.
pub(crate) fn text(id: &str, seen: &[&str], tokens: usize) -> String {
    let mut text = format!("reply to {id}: turns={} seen={}", seen.len(), seen.join(","));
    // The sentence itself is five tokens.
    (6..=tokens).for_each(|token| text.push_str(&format!(" w{token}")));
    text
}

/// The reply is whole, and says exactly this.
pub(crate) fn whole(reply: &Reply, text: &str) {
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!((reply.text.as_str(), reply.finish_reason.as_deref()), (text, Some("stop")));
}

/// The reply is this error, and its status says so too.
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, self::code(reply)), (status, Some(code)), "{reply:?}");
}

/// The code of the reply's error.
pub(crate) fn code(reply: &Reply) -> Option<&str> {
    reply.error.as_ref()?["code"].as_str()
}
