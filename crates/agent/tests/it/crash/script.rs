//! Random conversations: what the sender sends, what the model answers, how little the model takes.

use proptest::prelude::*;

/// A whole conversation.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Tokens that the agent is told its model takes.
    pub(crate) window: u32,
    /// Tokens beyond which the model refuses, whatever the agent was told; 0: it never does.
    pub(crate) refuses_above: usize,
    /// Tokens of recent conversation that a compaction keeps.
    pub(crate) keep: u32,
    /// The most model answers of a run.
    pub(crate) steps: u32,
    /// The most tokens of a run; 0: no limit.
    pub(crate) tokens: u64,
    /// The sender's turns.
    pub(crate) turns: Vec<Turn>,
}

/// One message of the sender and the answers to it.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// The sender gives the whole conversation as it knows it, as chat-completions clients do.
    pub(crate) whole_history: bool,
    /// It puts instructions first.
    pub(crate) instructions: bool,
    /// It offers its own tool.
    pub(crate) offers_client: bool,
    /// It offers a tool of the same name as one of the gateway's.
    pub(crate) offers_pure: bool,
    /// How many of the calls that it was given last it answers.
    pub(crate) answers_calls: usize,
    /// It answers a call that nobody made.
    pub(crate) stray_result: bool,
    /// The length of what it says, in words.
    pub(crate) words: usize,
    /// The model's answers; a closing one follows the last.
    pub(crate) answers: Vec<Answer>,
}

/// One answer of the model.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The length of its text, in words.
    pub(crate) words: usize,
    /// The ids of its calls are used again in other answers, as models without ids of their own do.
    pub(crate) plain_ids: bool,
    /// Its calls.
    pub(crate) calls: Vec<Kind>,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pure,
    Unsafe,
    Missing,
    Client,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Unsafe => "unsafe",
            Self::Missing => "missing",
            Self::Client => "client",
        }
    }
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    (
        prop_oneof![Just(100_000_u32), 200..1_500_u32],
        prop_oneof![2 => Just(0_usize), 1 => 150..1_000_usize],
        20..200_u32,
        prop_oneof![Just(50_u32), 1..6_u32],
        prop_oneof![4 => Just(0_u64), 1 => 10..150_u64],
        prop::collection::vec(turn(), 1..5),
    )
        .prop_map(|(window, refuses_above, keep, steps, tokens, turns)| Script {
            window,
            refuses_above,
            keep,
            steps,
            tokens,
            turns,
        })
}

fn turn() -> impl Strategy<Value = Turn> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    let strays = (0..3_usize, prop::bool::weighted(0.1));
    (flags, strays, 0..80_usize, prop::collection::vec(answer(), 0..5)).prop_map(
        |(
            (whole_history, instructions, offers_client, offers_pure),
            (answers_calls, stray_result),
            words,
            answers,
        )| {
            Turn {
                whole_history,
                instructions,
                offers_client,
                offers_pure,
                answers_calls,
                stray_result,
                words,
                answers,
            }
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let kind = prop_oneof![
        3 => Just(Kind::Pure),
        3 => Just(Kind::Unsafe),
        1 => Just(Kind::Missing),
        2 => Just(Kind::Client),
    ];
    (prop_oneof![Just(0_usize), 1..80_usize], any::<bool>(), prop::collection::vec(kind, 0..4))
        .prop_map(|(words, plain_ids, calls)| Answer { words, plain_ids, calls })
}
