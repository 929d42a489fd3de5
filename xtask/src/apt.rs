//! Installs what a fresh Debian lacks, if this is root; anybody else is told the command.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{output_of, run, succeeds};

/// Installs Debian packages because `what` is missing.
pub(crate) fn install(what: &str, packages: &[&str]) -> Result<()> {
    let line = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{what} is missing: install it with this system's package manager");
    }
    if !is_root() {
        bail!("{what} is missing: run `sudo {line}`");
    }
    println!("    {what} is missing: {line}");
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    run(Command::new("apt-get").args(install).args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    output_of(Command::new("id").arg("-u")).as_deref() == Some("0")
}
