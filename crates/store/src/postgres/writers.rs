//! Intents of one kind that came while a commit was in flight go into one statement, and so into one commit.
//!
//! There is no timer: an intent that finds its writer idle goes at once. Intents of one session always go to the same
//! writer, one in each group, so that they keep their order and never meet in one statement. If a group fails because of
//! what one of its intents asked, each runs alone, so that none suffers for another.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use regrow_protocol::SessionId;
use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;
use super::links::Links;
use crate::Error;

/// Intents that may wait for one writer; more make their callers wait.
const QUEUE: usize = 1_024;

/// The most intents of one statement.
const GROUP: usize = 64;

/// The most bytes of one statement, unless a single intent is larger.
const BYTES: usize = 1 << 20;

/// How often a group is tried whose statement got in the way of another one.
const TRIES: usize = 4;

/// An intent that can share a statement with others of its kind.
pub(super) trait Intent: Send + Sync + Sized + 'static {
    /// What its caller gets.
    type Answer: Send + 'static;

    /// The session that it writes to.
    fn session(&self) -> SessionId;

    /// About how large it is.
    fn bytes(&self) -> usize;

    /// It can share a statement with this other one.
    fn goes_with(&self, other: &Self) -> bool;

    /// Carries a group out, all or nothing. The answers are in the order of the group.
    fn carry_out(
        links: &Links,
        group: &[&Self],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Failure>> + Send;
}

struct Call<I: Intent> {
    intent: I,
    reply: oneshot::Sender<Result<I::Answer, Error>>,
    deadline: Instant,
}

/// The writers of one kind of intent. They end when this is dropped and what was asked is done.
pub(super) struct Writers<I: Intent> {
    queues: Vec<mpsc::Sender<Call<I>>>,
    patience: Duration,
}

impl<I: Intent> Writers<I> {
    /// Starts so many writers on the current runtime.
    pub(super) fn start(links: &Links, writers: usize, patience: Duration) -> Self {
        let start = |_| {
            let (queue, calls) = mpsc::channel(QUEUE);
            tokio::spawn(write(links.clone(), calls));
            queue
        };
        Self { queues: (0..writers).map(start).collect(), patience }
    }

    /// Carries an intent out. It goes on even if the caller does not wait for it: what has not been answered in time may
    /// still happen.
    pub(super) async fn write(&self, intent: I) -> Result<I::Answer, Error> {
        let at = usize::from(intent.session().as_bytes()[0]) % self.queues.len();
        let (reply, answer) = oneshot::channel();
        let call = Call { intent, reply, deadline: Instant::now() + self.patience };
        let stopped = || Error::Unavailable("the store is closed".to_owned());
        let answered = async {
            self.queues[at].send(call).await.map_err(|_| stopped())?;
            answer.await.map_err(|_| stopped())?
        };
        // Those before it may each take as long as they may.
        match tokio::time::timeout(self.patience, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TimedOut(self.patience).into()),
        }
    }
}

async fn write<I: Intent>(links: Links, mut calls: mpsc::Receiver<Call<I>>) {
    // What could not go with the last group comes first in the next.
    let mut left = VecDeque::new();
    loop {
        let first = match left.pop_front() {
            Some(call) => call,
            None => match calls.recv().await {
                Some(call) => call,
                None => return,
            },
        };
        let group = gather(first, &mut left, &mut calls);
        let (late, group): (Vec<_>, Vec<_>) = group.into_iter().partition(|c| Instant::now() > c.deadline);
        for call in late {
            let _ = call.reply.send(Err(Error::Unavailable("the store is too busy".to_owned())));
        }
        carry_out(&links, group).await;
    }
}

/// Everything that waits and can go into one statement.
fn gather<I: Intent>(
    first: Call<I>,
    left: &mut VecDeque<Call<I>>,
    calls: &mut mpsc::Receiver<Call<I>>,
) -> Vec<Call<I>> {
    let mut bytes = first.intent.bytes();
    let mut group = vec![first];
    let mut kept = VecDeque::new();
    while group.len() < GROUP && bytes < BYTES && kept.len() < GROUP {
        let Some(call) = left.pop_front().or_else(|| calls.try_recv().ok()) else { break };
        // Behind one of its own session that is kept, it must not go first.
        let session = call.intent.session();
        let is_taken = |other: &Call<I>| other.intent.session() == session;
        if !group[0].intent.goes_with(&call.intent) || group.iter().any(is_taken) || kept.iter().any(is_taken)
        {
            kept.push_back(call);
        } else {
            bytes += call.intent.bytes();
            group.push(call);
        }
    }
    kept.append(left);
    *left = kept;
    group
}

async fn carry_out<I: Intent>(links: &Links, group: Vec<Call<I>>) {
    if group.is_empty() {
        return;
    }
    let intents: Vec<&I> = group.iter().map(|call| &call.intent).collect();
    match attempt(links, &intents).await {
        Ok(answers) => {
            for (call, answer) in group.into_iter().zip(answers) {
                // The caller may have gone; what was committed stays committed.
                let _ = call.reply.send(Ok(answer));
            }
        }
        Err(failure) if group.len() > 1 && failure.is_about_the_statement() => {
            for call in group {
                let answer = attempt(links, &[&call.intent]).await.map(|mut answers| answers.pop());
                let answer = answer.map_err(Error::from).and_then(|answer| {
                    answer.ok_or_else(|| Error::Unavailable("the intent did not run".to_owned()))
                });
                let _ = call.reply.send(answer);
            }
        }
        Err(failure) => {
            let error = Error::from(failure);
            tracing::debug!(%error, "the store cannot commit");
            for call in group {
                let _ = call.reply.send(Err(error.clone()));
            }
        }
    }
}

/// Carries a group out, again if it met another one.
async fn attempt<I: Intent>(links: &Links, group: &[&I]) -> Result<Vec<I::Answer>, Failure> {
    let mut tries = 1;
    loop {
        match I::carry_out(links, group).await {
            Err(failure) if failure.is_collision() && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}
