//! From the command line to an exit code. Whatever goes wrong is said once, in a sentence, on standard error.

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::command;
use crate::seams::Seams;

/// The configuration is wrong, or the port or store cannot be used: starting again does not help. (`EX_CONFIG` of
/// sysexits; OpenClaw ends with the same code, so that service managers do not restart it for ever.)
pub(crate) const UNUSABLE: u8 = 78;

/// Something that will not get better by itself, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);

/// A failure of the store as one of the program: what repeating does not help cannot be used.
pub(crate) fn of_store(error: regrow_store::Error) -> anyhow::Error {
    match error {
        regrow_store::Error::Unusable(why) => Unusable(why).into(),
        error @ regrow_store::Error::Unavailable(_) => error.into(),
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    run_with(&Seams::CLOSED)
}

/// Runs the program with something between the parts of a replica.
pub fn run_with(seams: &Seams) -> ExitCode {
    let cli = Cli::parse();
    // The only provider of cryptography; a second call would merely say that it is set already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command::run(cli, seams) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("regrow: {error:#}");
            ExitCode::from(if error.is::<Unusable>() { UNUSABLE } else { 1 })
        }
    }
}
