//! The Python environment of the tests, made again when its requirements change.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{run, succeeds};
use crate::{apt, workspace};

/// What the clients in the tests need.
const CHECK: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";

/// Makes the environment if needed, and returns its interpreter.
pub(crate) fn prepare() -> Result<PathBuf> {
    let environment = workspace::test_directory().join("python");
    let requirements = workspace::root().join("tests/sdk/python/requirements.txt");
    let interpreter = environment.join("bin/python");
    // A copy is left there when everything is installed.
    let installed = environment.join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(interpreter);
    }
    require_python()?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&interpreter).args(pip).arg(&requirements))?;
    fs::write(installed, wanted)?;
    Ok(interpreter)
}

fn require_python() -> Result<()> {
    let check = || succeeds(Command::new("python3").args(["-c", CHECK]));
    if check() {
        return Ok(());
    }
    apt::install("Python 3.10 or newer with venv", &["python3", "python3-venv"])?;
    if !check() {
        bail!("`python3` is older than 3.10, or has no `venv` module");
    }
    Ok(())
}
