//! Asks again for every reply, with its key, at two replicas, when all is over: at least one of them did not give it.
//! Whoever is asked must name the same run and give the same text.

use std::net::SocketAddr;

use tokio::task::JoinSet;

use super::plan::Message;
use crate::client::{Client, Question};

/// Questions at once.
const AT_ONCE: usize = 16;

/// A reply that was asked for again: the run's id and the text; nothing if none came.
pub(super) type Again = Option<(String, String)>;

/// How many replicas are asked for each.
const ASKED: usize = 2;

/// Asks for the replies to these messages of these sessions; the results are in their order.
pub(super) async fn ask(
    replicas: &[SocketAddr],
    token: &str,
    messages: Vec<(String, Message)>,
) -> anyhow::Result<Vec<Vec<Again>>> {
    let clients = replicas
        .iter()
        .map(|address| Client::of(vec![format!("http://{address}")], Some(token.to_owned()), true));
    let clients: Vec<Client> = clients.collect::<anyhow::Result<_>>()?;
    let mut results: Vec<Vec<Again>> = vec![Vec::new(); messages.len()];
    let mut asking: JoinSet<(usize, Vec<Again>)> = JoinSet::new();
    let mut messages = messages.into_iter().enumerate();
    loop {
        while asking.len() < AT_ONCE
            && let Some((index, (session, message))) = messages.next()
        {
            let clients: Vec<Client> =
                clients.iter().cycle().skip(index % clients.len().max(1)).take(ASKED).cloned().collect();
            asking.spawn(async move { (index, repeat(clients, &session, &message).await) });
        }
        match asking.join_next().await {
            Some(asked) => {
                let (index, again) = asked?;
                results[index] = again;
            }
            None => return Ok(results),
        }
    }
}

async fn repeat(clients: Vec<Client>, session: &str, message: &Message) -> Vec<Again> {
    let mut all = Vec::new();
    for mut client in clients {
        let question =
            Question { message: &message.text, agent: None, session_key: session, key: &message.key };
        let answer = client.ask(&question, |_| {}).await;
        all.push(answer.ok().map(|answer| (answer.run, answer.text)));
    }
    all
}
