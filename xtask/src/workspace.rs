//! Where things are, and Cargo itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// What tests need beside the workspace: a Python environment and Node modules. It is not under version control and can
/// be deleted at any time.
pub(crate) fn test_directory() -> PathBuf {
    root().join(".test")
}

/// A program that Cargo has built in the development profile; it lies beside this one.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(this.with_file_name(name))
}

/// A Cargo command in the root of the workspace.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo sets this for the programs that it runs; subcommands take it for a sign that they were not started by Cargo.
    cargo.env_remove("CARGO_PKG_NAME").current_dir(root()).args(arguments);
    cargo
}
