//! All tests: the workspace's own, and those with OpenAI's clients.

use anyhow::Result;

use crate::sdk;
use crate::step::{run as run_command, step, succeeds};
use crate::workspace::cargo;

/// Sets everything up and runs the tests; `runner` holds further arguments of the test runner.
pub(crate) fn run(with_sdk: bool, runner: &[&str]) -> Result<()> {
    // What can be missing comes first: it fails in seconds, not after all compilation.
    let clients = if with_sdk { Some(sdk::prepare()?) } else { None };
    build()?;
    run_workspace(runner)?;
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

fn run_workspace(runner: &[&str]) -> Result<()> {
    if succeeds(&mut cargo(["nextest", "--version"])) {
        step("tests of the workspace", || {
            run_command(cargo(["nextest", "run", "--locked", "--workspace"]).args(runner))
        })?;
        // These the runner leaves out.
        return step("examples in the documentation", || {
            run_command(&mut cargo(["test", "--quiet", "--locked", "--workspace", "--doc"]))
        });
    }
    println!("    cargo-nextest would be faster: cargo install --locked cargo-nextest");
    step("tests of the workspace", || {
        run_command(cargo(["test", "--locked", "--workspace", "--no-fail-fast"]).args(runner))
    })
}
