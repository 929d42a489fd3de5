//! Where a conversation is cut when it no longer fits its model, and what the summary is made from.

use regrow_agent::{
    Action, Agent, CompactionPlan, Ending, Entry, FailureKind, Journal, Situation, context_tokens, next,
};
use regrow_protocol::{Message, Part, StopReason};

use crate::scene::{
    agent, asks, assistant, consumed, done, inbound, inbound_with_client_tool, journal, rendered, replied,
    result, started, summary, tool, user,
};

/// A text of about 100 tokens that begins with its name.
fn long(name: &str) -> String {
    format!("{name} {}", "word ".repeat(79))
}

/// An agent whose conversations may have 500 tokens, and that keeps about `keep` of them.
fn small(keep: u32) -> Agent {
    Agent { context_window: 600, reserve_tokens: 100, keep_recent_tokens: keep, ..agent() }
}

fn decide(journal: &Journal, agent: &Agent, overflow: bool) -> Action {
    next(journal, agent, &Situation { attempt: 1, overflow, ..Situation::default() })
}

fn plan(journal: &Journal, agent: &Agent, overflow: bool) -> CompactionPlan {
    match decide(journal, agent, overflow) {
        Action::Compact(plan) => plan,
        other => panic!("compacts nothing, but {other:?}"),
    }
}

/// Records a summary as its run does.
fn record(journal: &mut Journal, text: &str, through: i64) {
    let seq = journal.transcript.entries().last().map_or(0, |recorded| recorded.seq) + 1;
    journal.transcript.push(regrow_agent::Recorded { seq, entry: summary(text, through).into() });
    journal.start_after(through);
}

fn turns(count: usize) -> Vec<Entry> {
    let turn = |n| [user(&long(&format!("question {n}"))), replied(&long(&format!("answer {n}")))];
    (1..=count).flat_map(turn).collect()
}

#[test]
fn what_fits_is_left_alone() {
    let sent = inbound(vec![Message::user("and now?")]);
    let journal = journal(turns(2), vec![], sent);
    assert_eq!(decide(&journal, &small(100), false), Action::CallModel);
    let with_tools = Situation { attempt: 1, prompt_tokens: 100, ..Situation::default() };
    assert!(matches!(next(&journal, &small(100), &with_tools), Action::Compact(_)));
}

#[test]
fn the_recent_conversation_is_kept() {
    // Each turn is two entries of about 106 tokens; the new message has 6.
    for (turns, keep, overflow, through) in [
        (3, 20, false, 6),
        (3, 110, false, 6),
        (3, 120, false, 5),
        (3, 240, false, 4),
        // Never more than half of what fits.
        (3, 10_000, false, 4),
        // What a provider refused is halved, whatever is configured.
        (3, 10_000, true, 4),
        (1, 10_000, true, 2),
    ] {
        let journal = journal(self::turns(turns), vec![], inbound(vec![Message::user("and now?")]));
        let plan = plan(&journal, &small(keep), overflow);
        assert_eq!(plan.through, through, "{turns} turns, keep {keep}, {overflow}");
    }
}

#[test]
fn recording_a_message_changes_no_decision() {
    for (turns, keep, overflow) in [(1, 50, true), (2, 110, true), (3, 120, false), (3, 240, true)] {
        let message = inbound(vec![Message::user("and now?")]);
        let mut journal = journal(self::turns(turns), vec![], message);
        let before = plan(&journal, &small(keep), overflow);
        let (seq, entry) = (journal.run_base + 1, journal.user_entry().into());
        journal.transcript.push(regrow_agent::Recorded { seq, entry });
        assert_eq!(plan(&journal, &small(keep), overflow), before, "{turns} turns, keep {keep}");
    }
}

#[test]
fn a_call_is_never_separated_from_its_result() {
    let handed = || Entry::Final(done(None, StopReason::ToolCalls));
    let asked = || Entry::Final(done(Some(assistant(&long("Ask"), &["1:client"])), StopReason::ToolCalls));
    let sent = || inbound_with_client_tool(vec![Message::user("now")]);
    let results = || inbound_with_client_tool(vec![tool("1", &long("mine"))]);
    let cases = [
        (
            "in a run: before the last answer",
            journal(
                turns(1),
                vec![
                    user(&long("now")),
                    asks(&long("I look"), &["1:pure", "2:unsafe"]),
                    result("1", &long("found")),
                    started("2"),
                    result("2", &long("sent")),
                ],
                sent(),
            ),
            3,
        ),
        (
            "the sender's result, recorded",
            // A context that began with the result would be small enough.
            journal(
                vec![user(&long("a")), asked(), consumed(vec![tool("1", &long("mine")), Message::user("b")])],
                vec![],
                inbound(vec![Message::user("c")]),
            ),
            3,
        ),
        (
            "the sender's result, not yet recorded",
            journal([turns(1), vec![user(&long("b")), asked()]].concat(), vec![], results()),
            3,
        ),
        (
            "the sender's result after calls of both",
            journal(
                [turns(1), vec![asks(&long("Both"), &["1:client", "2:pure"]), result("2", "r"), handed()]]
                    .concat(),
                vec![],
                results(),
            ),
            2,
        ),
    ];
    for (name, mut journal, through) in cases {
        let plan = plan(&journal, &small(150), true);
        assert_eq!(plan.through, through, "{name}");
        record(&mut journal, "S", plan.through);
        let shown = rendered(&journal);
        assert!(!shown.iter().any(|m| m.text().contains("unknown tool call")), "{name}: {shown:?}");
    }
}

#[test]
fn everything_may_go_before_a_message_of_its_own() {
    let sent = inbound(vec![Message::user(long("now"))]);
    let mut journal =
        journal(vec![user(&long("only")), Entry::Final(done(None, StopReason::Stop))], vec![], sent);
    assert_eq!(plan(&journal, &small(20), true).through, 2);
    record(&mut journal, "S", 2);
    assert_eq!(rendered(&journal).len(), 3, "the prompt, the summary and the message");
}

#[test]
fn what_was_said_after_a_summary_can_be_summarised() {
    let failed = Entry::Final(regrow_agent::Final::failed(FailureKind::Limit, "enough"));
    let history = vec![summary("S", 1), summary("S", 2), user("short"), failed];
    let journal = journal(history, vec![], inbound(vec![Message::user("now")]));
    assert_eq!(plan(&journal, &small(100), true).through, 4);
}

#[test]
fn a_long_summary_alone_is_not_summarised_again() {
    let history = vec![summary(&long("S"), 0), user("short"), replied("short")];
    let sent = inbound(vec![Message::user("now")]);
    let mut journal = journal(history, vec![], sent);
    let first = plan(&journal, &small(100), true);
    assert_eq!(first.through, 2, "something that was said is in it");
    record(&mut journal, &long("S"), 3);
    assert!(matches!(decide(&journal, &small(100), true), Action::Finish(_)));
}

#[test]
fn nothing_to_compact_ends_the_run_only_if_the_provider_refused() {
    let huge = || vec![Message::user("word ".repeat(1_000))];
    let mut summarised = journal(turns(2), vec![], inbound(huge()));
    record(&mut summarised, "S", 4);
    let last_step =
        vec![user("a"), asks("", &["1:pure"]), result("1", &"word ".repeat(1_000)), summary("S", 1)];
    for (name, journal) in [
        ("a fresh message", journal(vec![], vec![], inbound(huge()))),
        ("a recorded message", journal(vec![], vec![consumed(huge())], inbound(huge()))),
        ("everything summarised", summarised),
        ("only the last step left", journal(vec![], last_step, inbound(huge()))),
    ] {
        assert_eq!(decide(&journal, &small(20), false), Action::CallModel, "{name}");
        let Action::Finish(last) = decide(&journal, &small(20), true) else { panic!("{name} goes on") };
        let Ending::Failed(failure) = last.ending else { panic!("{name}: {:?}", last.ending) };
        assert_eq!(failure.reason, FailureKind::ContextTooLong, "{name}");
    }
}

#[test]
fn each_summary_moves_on_and_stands_on_the_one_before() {
    let mut journal = journal(turns(6), vec![], inbound(vec![Message::user("now")]));
    let mut last = 0;
    let mut plans = 0;
    while let Action::Compact(plan) = decide(&journal, &small(10_000), true) {
        plans += 1;
        assert!(plan.through > last, "{} after {last}", plan.through);
        let question = plan.messages[1].text();
        assert_eq!(question.contains("Summary of what came before:\nsummary "), plans > 1, "{question}");
        assert!(!question.contains(&format!("summary {}", plans - 2)), "an older summary: {question}");
        last = plan.through;
        record(&mut journal, &format!("summary {plans}"), last);
    }
    assert_eq!(rendered(&journal).len(), 3, "in the end a summary stands for all earlier entries");
    assert!(plans >= 2);
}

#[test]
fn the_question_tells_who_said_what_and_what_was_called() {
    let image = Part::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned() };
    let parts = vec![Part::Text { text: "see".to_owned() }, image];
    let history = vec![
        consumed(vec![Message::System { text: "not said".to_owned() }, Message::User { parts }]),
        asks("I look.", &["1:pure"]),
        result("1", "found"),
        replied("It is there."),
        user("thanks"),
        replied("Welcome."),
    ];
    let mut journal = journal(history, vec![], inbound(vec![Message::user("now")]));
    let plan = plan(&journal, &small(11), true);
    assert_eq!(plan.through, 5);
    assert!(matches!(*plan.messages[0], Message::System { .. }));
    let wanted = "Compress this conversation:\n\nUser: see\n\nAssistant: I look.\n[called pure with {}]\n\n\
                  Tool result: found\n\nAssistant: It is there.\n\nUser: thanks\n\n";
    assert_eq!(*plan.messages[1], Message::user(wanted));
    record(&mut journal, "S", 5);
    assert_eq!(rendered(&journal)[2], Message::assistant("Welcome."));
}

#[test]
fn a_question_that_does_not_fit_keeps_the_summary_and_the_latest_part() {
    let emoji = "🦀".repeat(3_000);
    let history =
        vec![user("dropped"), replied("x"), user(&emoji), replied("latest"), user("b"), replied("c")];
    let mut journal = journal(history, vec![], inbound(vec![Message::user("now")]));
    record(&mut journal, "the summary", 1);
    let question = plan(&journal, &small(12), true).messages[1].text();
    assert!(
        question
            .starts_with("Compress this conversation:\n\nSummary of what came before:\nthe summary\n\n🦀")
    );
    assert!(question.ends_with("🦀\n\nAssistant: latest\n\nUser: b\n\n"));
    assert!(question.len() <= 500 * 3 + 100, "{} bytes", question.len());
}

#[test]
fn tokens_count_what_is_shown_and_no_more() {
    let four = || Message::user("1234");
    let fresh =
        journal(vec![], vec![], inbound(vec![Message::System { text: "not said".to_owned() }, four()]));
    assert_eq!(context_tokens(&fresh), 5);
    let mut recorded = journal(vec![user("1234")], vec![consumed(vec![four()])], inbound(vec![four()]));
    assert_eq!(context_tokens(&recorded), 10);
    record(&mut recorded, "12345678", 1);
    assert_eq!(context_tokens(&recorded), 7);
    let image = Part::Image { media_type: "image/png".to_owned(), data: "A".repeat(100_000) };
    let image = journal(vec![], vec![], inbound(vec![Message::User { parts: vec![image] }]));
    assert_eq!(context_tokens(&image), 1_204);
}
