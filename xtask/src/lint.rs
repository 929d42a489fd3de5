//! What can be judged without running the code: formatting, lints, licences and bans of dependencies, unused ones.

use anyhow::Result;

use crate::step::{run as run_command, step, succeeds};
use crate::workspace::cargo;

/// A Cargo subcommand that is installed when it is missing, in a version that the tasks are known to work with.
struct Tool {
    command: &'static str,
    package: &'static str,
    version: &'static str,
}

const DENY: Tool = Tool { command: "deny", package: "cargo-deny", version: "0.20.2" };
const MACHETE: Tool = Tool { command: "machete", package: "cargo-machete", version: "0.9.2" };

/// Runs all judgements, from the cheapest to the dearest.
pub(crate) fn run() -> Result<()> {
    step("formatting", || run_command(&mut cargo(["fmt", "--all", "--check"])))?;
    step("unused dependencies", || {
        MACHETE.install_if_missing()?;
        run_command(&mut cargo(["machete"]))
    })?;
    step("licences, bans and sources of dependencies", || {
        DENY.install_if_missing()?;
        // Crates of other platforms are judged too, and nothing else would have fetched them.
        run_command(&mut cargo(["fetch", "--locked"]))?;
        run_command(&mut cargo(["deny", "--offline", "check", "bans", "licenses", "sources"]))
    })?;
    step("clippy", || {
        run_command(&mut cargo([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    println!("==> no complaints");
    Ok(())
}

impl Tool {
    fn install_if_missing(&self) -> Result<()> {
        if succeeds(&mut cargo([self.command, "--version"])) {
            return Ok(());
        }
        println!("    installing {} {}", self.package, self.version);
        run_command(&mut cargo(["install", "--locked", "--version", self.version, self.package]))
    }
}
