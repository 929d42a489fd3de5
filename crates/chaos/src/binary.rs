//! Where the `regrow` program is: beside the program that asks, because Cargo puts both into one target directory.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The variable that names another `regrow` program.
pub const VARIABLE: &str = "REGROW_BIN";

/// The program `name` of the same profile as the running test or tool; for `regrow`, what `REGROW_BIN` names goes first.
/// The error says how to build it.
pub fn beside(name: &str) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|_| name == "regrow") {
        return existing(named.into(), "REGROW_BIN names it");
    }
    let mut directory = directory()?;
    // Test programs lie one level deeper.
    if directory.ends_with("deps") {
        directory.pop();
    }
    existing(directory.join(name), "build it with `cargo build --package regrow --package regrow-chaos`")
}

/// The release build of `regrow` in the target directory of the running tool.
pub fn release() -> Result<PathBuf> {
    existing(target()?.join("release/regrow"), "build it with `cargo build --release --package regrow`")
}

/// The target directory of the running tool.
pub fn target() -> Result<PathBuf> {
    Ok(directory()?.parent().context("the tool lies outside a target directory")?.to_owned())
}

fn directory() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(program.parent().context("this program has no directory")?.to_owned())
}

fn existing(path: PathBuf, hint: &str) -> Result<PathBuf> {
    ensure!(path.is_file(), "there is no program at {}: {hint}", path.display());
    Ok(path)
}
