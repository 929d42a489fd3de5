//! What a message adds to a conversation, and what it asks of this turn alone.

use regrow_agent::Entry;
use regrow_protocol::Message;

use crate::scene::{
    assistant, consumed, inbound, inbound_with_client_tool, journal, replied, summary, system, tool, user,
};

#[test]
fn a_message_adds_what_the_conversation_does_not_have() {
    let say = Message::user;
    let cases: [(&str, Vec<Message>, bool, usize); 9] = [
        ("one message, fresh", vec![say("a")], true, 0),
        ("one message, going on", vec![say("a")], false, 0),
        ("whole history, fresh", vec![say("a"), assistant("b", &[]), say("c")], true, 0),
        ("whole history, going on", vec![say("a"), assistant("b", &[]), say("c")], false, 2),
        ("several answers", vec![assistant("a", &[]), say("b"), assistant("c", &[]), say("d")], false, 3),
        ("no assistant", vec![system("i"), say("a"), say("b")], false, 0),
        ("results at the end", vec![say("a"), assistant("", &["1:client"]), tool("1", "r")], false, 2),
        ("results and words", vec![assistant("", &["1:client"]), tool("1", "r"), say("b")], false, 1),
        ("nothing after the answer", vec![say("a"), assistant("b", &[])], false, 2),
    ];
    for (name, messages, fresh, from) in cases {
        let inbound = inbound(messages);
        assert_eq!(inbound.added(fresh), &inbound.messages[from..], "{name}");
    }
}

#[test]
fn instructions_are_found_wherever_they_stand() {
    let inbound = inbound(vec![system("a"), Message::user("b"), assistant("c", &[]), system("d")]);
    assert_eq!(inbound.instructions().collect::<Vec<_>>(), ["a", "d"]);
}

#[test]
fn a_conversation_is_fresh_until_a_run_has_consumed_something() {
    let cases = [
        ("nothing", vec![], vec![], true),
        ("after a reset", vec![Entry::Reset], vec![], true),
        ("its own message", vec![], vec![user("a")], true),
        ("an earlier message", vec![user("a"), replied("b")], vec![], false),
        ("a summary of earlier messages", vec![summary("s", 1), replied("b")], vec![], false),
        ("a summary made by this run", vec![], vec![summary("s", 1)], false),
    ];
    for (name, history, run, fresh) in cases {
        assert_eq!(journal(history, run, inbound(vec![])).is_fresh(), fresh, "{name}");
    }
}

#[test]
fn what_is_recorded_of_a_message_is_what_it_adds() {
    let whole = vec![Message::user("a"), assistant("b", &["1:client"]), tool("1", "r"), Message::user("c")];
    let fresh = journal(vec![], vec![], inbound_with_client_tool(whole.clone()));
    assert_eq!(fresh.user_entry(), Entry::User { inbox_seq: 7, messages: whole.clone() });
    let going_on = journal(vec![user("a"), replied("b")], vec![], inbound_with_client_tool(whole.clone()));
    assert_eq!(going_on.user_entry(), Entry::User { inbox_seq: 7, messages: whole[2..].to_vec() });
    assert!(!going_on.has_user_entry());
    let recorded = journal(vec![user("a"), replied("b")], vec![consumed(vec![])], inbound(whole));
    assert!(recorded.has_user_entry());
}
