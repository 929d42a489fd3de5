//! Development tasks: `cargo xtask test` sets up all that the tests need and runs them, `cargo xtask lint` judges the
//! code. Each step says what it does and how long it took, and a failed one says what to do.

mod apt;
mod deploy;
mod lint;
mod node;
mod postgres;
mod python;
mod sdk;
mod step;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask <task>

  test [--no-sdk] [-- ARGS]   all tests; ARGS go to the test runner
  sdk                         only the tests with OpenAI's own clients
  postgres                    a PostgreSQL server for tests, until Ctrl-C
  lint                        formatting, clippy, dependencies";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["lint"] => lint::run(),
        ["sdk"] => sdk::run(),
        ["postgres"] => postgres::serve(),
        ["test", rest @ ..] => {
            let (with_sdk, rest) = match rest {
                ["--no-sdk", rest @ ..] => (false, rest),
                rest => (true, rest),
            };
            match rest {
                [] => test::run(with_sdk, &[]),
                ["--", runner @ ..] => test::run(with_sdk, runner),
                _ => bail!("unknown arguments {rest:?}\n\n{USAGE}"),
            }
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such task\n\n{USAGE}"),
    }
}
