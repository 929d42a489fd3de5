//! One conversation as its sender lives it: messages go out in order, some while the one before is being answered, and
//! every reply is read to its end, over as many replicas as that takes. What the sender was told is noted and judged
//! later; an answer that never comes is a result like any other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::plan::{Conversation, Message};
use super::progress::Progress;
use crate::client::{Client, Event, Question};

/// What the sender of a message was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// The runs that answered for the message. There must be one.
    pub(super) runs: Vec<String>,
    /// The whole reply.
    pub(super) text: Option<String>,
    /// Why there is none.
    pub(super) error: Option<String>,
    /// How often the reply broke off and went on elsewhere.
    pub(super) continued: u32,
    /// The longest time between two pieces of its text.
    pub(super) silence: Duration,
}

/// A sender: how it reaches the gateways.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) progress: Arc<Progress>,
    /// A reply that is not whole by then does not come.
    pub(super) deadline: Instant,
}

impl Sender {
    /// Has a conversation. The result has an entry for each message that was sent. After a message that nobody accepted
    /// nothing more is sent: the places of what would follow were wrong.
    pub(super) async fn have(&self, conversation: &Conversation) -> Vec<Told> {
        let mut told: Vec<Told> = Vec::new();
        while let [first, rest @ ..] = &conversation.messages[told.len()..]
            && told.iter().all(|told| !told.runs.is_empty())
            && Instant::now() < self.deadline
        {
            match rest.first().filter(|second| second.at_once) {
                Some(second) => {
                    let (sender, accepted) = oneshot::channel();
                    let send_second = async {
                        // A first message that fails lets go of the second all the same.
                        let _ = accepted.await;
                        self.send(&conversation.session, second, None).await
                    };
                    let send_first = self.send(&conversation.session, first, Some(sender));
                    let (one, two) = tokio::join!(send_first, send_second);
                    told.extend([one, two]);
                }
                None => told.push(self.send(&conversation.session, first, None).await),
            }
        }
        self.progress.update(|seen| seen.conversations += 1);
        told
    }

    async fn send(&self, session: &str, message: &Message, accepted: Option<oneshot::Sender<()>>) -> Told {
        let question =
            Question { message: &message.text, agent: None, session_key: session, key: &message.key };
        let mut noted = Noted { told: Told::default(), accepted, lost: false, last_text: None };
        let mut client = self.client.clone();
        let asking = client.ask(&question, |event| noted.note(event, &self.progress));
        let answer = timeout_at(self.deadline, asking).await;
        let mut told = noted.told;
        match answer {
            Ok(Ok(answer)) => {
                self.progress.update(|seen| seen.answered += 1);
                told.text = Some(answer.text);
            }
            Ok(Err(error)) => told.error = Some(format!("{error:#}")),
            Err(_) => told.error = Some("the time was up".to_owned()),
        }
        told
    }
}

/// What has happened so far to a message.
struct Noted {
    told: Told,
    /// Who waits for the acceptance.
    accepted: Option<oneshot::Sender<()>>,
    /// The connection was lost, and there is no other yet.
    lost: bool,
    last_text: Option<Instant>,
}

impl Noted {
    fn note(&mut self, event: Event<'_>, progress: &Progress) {
        match event {
            Event::Accepted { run } => self.note_run(run, progress),
            Event::Text(_) => {
                let silence = self.last_text.map_or(Duration::ZERO, |last| last.elapsed());
                self.told.silence = self.told.silence.max(silence);
                self.last_text = Some(Instant::now());
            }
            Event::Lost => self.lost = true,
        }
    }

    fn note_run(&mut self, run: &str, progress: &Progress) {
        let told = &mut self.told;
        let first = told.runs.is_empty();
        if !told.runs.iter().any(|known| known == run) {
            told.runs.push(run.to_owned());
        }
        if first {
            progress.update(|seen| seen.accepted += 1);
        } else if self.lost {
            told.continued += 1;
            progress.update(|seen| seen.continued += u64::from(told.continued == 1));
        }
        self.lost = false;
        if let Some(accepted) = self.accepted.take() {
            // Who waited may have given up.
            let _ = accepted.send(());
        }
    }
}
