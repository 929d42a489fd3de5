//! The Node scripts of the tests with their modules: a copy of the scripts, because Node looks for modules beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{output_of, run, succeeds};
use crate::{apt, workspace};

/// The oldest Node that the tests' client runs on.
const OLDEST: u32 = 18;

/// Copies the scripts, installs their modules if needed, and returns the directory of the copy.
pub(crate) fn prepare() -> Result<PathBuf> {
    let scripts = workspace::root().join("tests/sdk/node");
    let copy = workspace::test_directory().join("node");
    let wanted = fs::read_to_string(scripts.join("package-lock.json"))?;
    // A copy of the lock file is left there when everything is installed.
    let installed = copy.join("node_modules/.installed-lock.json");
    let is_current = fs::read_to_string(&installed).is_ok_and(|found| found == wanted);
    require_node()?;
    copy_files(&scripts, &copy)?;
    if !is_current {
        let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(quiet).current_dir(&copy))?;
        fs::write(installed, wanted)?;
    }
    Ok(copy)
}

fn require_node() -> Result<()> {
    if node_version().is_none() || !succeeds(Command::new("npm").arg("--version")) {
        apt::install("Node with npm", &["nodejs", "npm"])?;
    }
    match node_version() {
        Some(version) if version >= OLDEST => Ok(()),
        Some(version) => bail!("Node {version} is too old: the tests need {OLDEST} or newer"),
        None => bail!("`node --version` does not answer"),
    }
}

/// The major version of Node.
fn node_version() -> Option<u32> {
    let version = output_of(Command::new("node").arg("--version"))?;
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
