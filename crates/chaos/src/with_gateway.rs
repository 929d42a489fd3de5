//! Runs a command beside a model server and a cluster that it can talk to, and stops both when it ends.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::cluster::{Cluster, Options};
use crate::model_server::Server;

/// Runs `command` with `REGROW_BASE_URL` (the first replica, with `/v1`), `REGROW_BASE_URLS` (all, with commas),
/// `REGROW_TOKEN` and `REGROW_MODEL_URL` set, and returns its exit code. When it fails, the replicas' logs are shown.
pub async fn run(binary: PathBuf, replicas: usize, command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command was given")?;
    let model = Server::start().await?;
    let cluster = Cluster::start(Options { replicas, ..Options::new(binary, model.base_url()) }).await?;
    let urls: Vec<String> = (0..replicas).map(|index| cluster.base_url(index)).collect::<Result<_>>()?;
    let status = Command::new(program)
        .args(arguments)
        .env("REGROW_BASE_URL", urls.first().context("a cluster has at least one replica")?)
        .env("REGROW_BASE_URLS", urls.join(","))
        .env("REGROW_TOKEN", cluster.token())
        .env("REGROW_MODEL_URL", model.base_url())
        .status()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        eprintln!("{}", cluster.logs());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
