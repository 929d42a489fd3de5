//! `regrow config`: what the configuration says, and what it may say.

mod diff;

use std::process::ExitCode;

use crate::cli::{Common, Config};
use crate::config;
use crate::state::State;

pub(super) fn run(common: &Common, command: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Config::Diff(asked) => return diff::run(common, asked),
        Config::Schema => println!("{:#}", config::schema()),
        Config::Print => println!("{:#}", State::open(common)?.config.to_redacted_json()),
        Config::Check => {
            let state = State::open(common)?;
            state.warnings.iter().for_each(|warning| println!("warning: {warning}"));
            match &state.config_path {
                Some(path) => println!("{} is valid", path.display()),
                None => println!("no configuration file; the defaults are valid"),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
