//! Older spellings, brought into the current form before the check: `agents.list` and `compaction.reserve`.
//!
//! Also the stage that refuses duplicate keys and agent ids that cannot be part of a session key.

use std::collections::HashSet;

use super::agents::AgentId;
use super::problem::Report;
use super::tree::{KeyPath, Member, Node, Value};

/// Reports each key that an object has twice; the first one stays.
pub(super) fn refuse_duplicates(node: &mut Node, path: &KeyPath, report: &mut Report) {
    match &mut node.value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                refuse_duplicates(item, &path.with_index(index), report);
            }
        }
        Value::Map(members) => {
            let mut seen = HashSet::new();
            members.retain(|member| {
                let is_new = seen.insert(member.key.clone());
                if !is_new {
                    let message = "this key is given twice; remove one of them";
                    report.problem(Some(member.key_at), &path.with_key(&member.key), message);
                }
                is_new
            });
            for member in members {
                refuse_duplicates(&mut member.node, &path.with_key(&member.key), report);
            }
        }
        _ => {}
    }
}

/// Brings `agents` into the current form.
pub(super) fn normalise(root: &mut Node, report: &mut Report) {
    let Some(agents) = root.get_mut("agents") else { return };
    entries_from_list(agents, report);
    refuse_bad_ids(agents, report);
    if let Some(Value::Map(members)) = agents
        .get_mut("defaults")
        .and_then(|defaults| defaults.get_mut("compaction"))
        .map(|node| &mut node.value)
        && !members.iter().any(|member| member.key == "reserveTokens")
    {
        for member in members.iter_mut().filter(|member| member.key == "reserve") {
            member.key = "reserveTokens".to_owned();
        }
    }
}

fn entries_from_list(agents: &mut Node, report: &mut Report) {
    let Value::Map(members) = &mut agents.value else { return };
    let Some(index) = members.iter().position(|member| member.key == "list") else { return };
    let path = KeyPath::of(&["agents", "list"]);
    let list = members.remove(index);
    let Value::List(items) = list.node.value else {
        let message = format!("expected an array, found {}", list.node.kind());
        return report.problem(Some(list.node.at), &path, message);
    };
    report.warn(
        Some(list.key_at),
        &path,
        "the older form; write `agents.entries`, an object with the ids as keys",
    );
    let mut entries = match members.iter().position(|member| member.key == "entries") {
        Some(index) => members.remove(index),
        None => {
            let node = Node::new(list.node.at, Value::Map(Vec::new()));
            Member { key: "entries".to_owned(), key_at: list.key_at, node }
        }
    };
    if let Value::Map(known) = &mut entries.node.value {
        for (index, item) in items.into_iter().enumerate() {
            match entry_of(item) {
                Ok(entry) if known.iter().any(|member| member.key == entry.key) => {
                    let message = "an agent with this `id` is already there; remove one of them";
                    report.problem(Some(entry.key_at), &path.with_index(index), message);
                }
                Ok(entry) => known.push(entry),
                Err(at) => {
                    let message = "expected an object with a text `id`";
                    report.problem(Some(at), &path.with_index(index), message);
                }
            }
        }
    }
    members.push(entries);
}

/// The agent of one item of the list, with its `id` as the key.
fn entry_of(mut item: Node) -> Result<Member, super::tree::Span> {
    let Value::Map(members) = &mut item.value else { return Err(item.at) };
    let Some(index) = members.iter().position(|member| member.key == "id" && member.node.text().is_some())
    else {
        return Err(item.at);
    };
    let id = members.remove(index).node;
    let Value::Text(key) = id.value else { return Err(item.at) };
    Ok(Member { key, key_at: id.at, node: item })
}

fn refuse_bad_ids(agents: &mut Node, report: &mut Report) {
    let Some(Value::Map(entries)) = agents.get_mut("entries").map(|entries| &mut entries.value) else {
        return;
    };
    let path = KeyPath::of(&["agents", "entries"]);
    for member in entries.iter_mut().filter(|member| !AgentId::is_valid(&member.key)) {
        let message =
            "an agent id has only a-z, 0-9, `_` and `-`, a letter or digit first, and at most 64 characters";
        report.problem(Some(member.key_at), &path.with_key(&member.key), message);
        member.node.value = Value::Invalid;
    }
}
