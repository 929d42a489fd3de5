//! All tests: the workspace's own, those of the Kubernetes manifests, and those with OpenAI's clients.

use anyhow::Result;

use crate::deploy;
use crate::postgres::{self, Shared};
use crate::sdk;
use crate::step::{run as run_command, step, succeeds};
use crate::workspace::cargo;

/// Sets everything up and runs the tests; `runner` holds further arguments of the test runner.
pub(crate) fn run(with_sdk: bool, runner: &[&str]) -> Result<()> {
    // What can be missing comes first: it fails in seconds, not after all compilation.
    postgres::prepare()?;
    let clients = if with_sdk { Some(sdk::prepare()?) } else { None };
    build()?;
    let database = Shared::start()?;
    run_workspace(runner, &database)?;
    drop(database);
    deploy::manifests()?;
    deploy::cluster()?;
    deploy::docker()?;
    if let Some(clients) = clients {
        clients.run()?;
    }
    println!("==> all tests passed");
    Ok(())
}

/// Builds the programs that tests start as processes.
pub(crate) fn build() -> Result<()> {
    step("build regrow and the development kit", || {
        run_command(&mut cargo(["build", "--locked", "--package", "regrow", "--package", "regrow-chaos"]))
    })
}

fn run_workspace(runner: &[&str], database: &Shared) -> Result<()> {
    if succeeds(&mut cargo(["nextest", "--version"])) {
        step("tests of the workspace", || {
            let mut tests = cargo(["nextest", "run", "--locked", "--workspace"]);
            run_command(tests.args(runner).envs(database.variable()))
        })?;
        // These the runner leaves out.
        return step("examples in the documentation", || {
            run_command(&mut cargo(["test", "--quiet", "--locked", "--workspace", "--doc"]))
        });
    }
    println!("    cargo-nextest would be faster: cargo install --locked cargo-nextest");
    step("tests of the workspace", || {
        let mut tests = cargo(["test", "--locked", "--workspace", "--no-fail-fast"]);
        run_command(tests.args(runner).envs(database.variable()))
    })
}
