//! `regrow config diff`: what of a configuration is not in force in the replica that runs here, and what it would take.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Common, ConfigDiff};
use crate::config::needs_restart;
use crate::in_force::{self, InForce};
use crate::outcome::Unusable;
use crate::state::State;

pub(super) fn run(common: &Common, asked: &ConfigDiff) -> anyhow::Result<ExitCode> {
    let mut common = common.clone();
    common.config = asked.file.clone().or(common.config);
    let state = State::open(&common)?;
    let replica = choose(in_force::told(&state.directory), asked.port, &state)?;
    let changed = replica.keys.differing(&state.keys(replica.keys.salt()));
    let effect = |key: &String| if needs_restart(key) { "restart" } else { "reload" };
    if asked.json {
        let changes: Vec<_> = changed.iter().map(|key| json!({"key": key, "effect": effect(key)})).collect();
        let replica = json!({"address": replica.address, "pid": replica.pid});
        println!("{:#}", json!({"replica": replica, "changes": changes}));
    } else if changed.is_empty() {
        println!("nothing differs from what the replica at {} goes by", replica.address);
    } else {
        println!("differs from what the replica at {} goes by:", replica.address);
        changed.iter().for_each(|key| println!("  {:<7}  {key}", effect(key)));
    }
    Ok(if changed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The replica that is meant: the one at this port, the one at the configured port, or the only one.
fn choose(mut told: Vec<InForce>, port: Option<u16>, state: &State) -> anyhow::Result<InForce> {
    let at = |port: u16| told.iter().position(|replica| replica.address.port() == port);
    let chosen = match port {
        Some(port) => at(port),
        None => at(state.config.gateway.port).or((told.len() == 1).then_some(0)),
    };
    if let Some(index) = chosen {
        return Ok(told.swap_remove(index));
    }
    let directory = state.directory.display();
    let ports: Vec<String> = told.iter().map(|replica| replica.address.port().to_string()).collect();
    let message = match ports.as_slice() {
        [] => format!("no replica runs here on the state directory {directory}"),
        ports => format!("replicas run here on the ports {}; say --port PORT", ports.join(", ")),
    };
    Err(Unusable(message).into())
}
