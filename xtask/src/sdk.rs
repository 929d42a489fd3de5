//! The tests with OpenAI's own clients: each script runs beside a real replica and a scripted model server.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::step::{run as run_command, step};
use crate::{node, python, test, workspace};

/// Interpreters of the scripts.
pub(crate) struct Clients {
    python: PathBuf,
    /// The copy of the Node scripts that has their modules.
    node: PathBuf,
}

/// Sets everything up and runs the scripts.
pub(crate) fn run() -> Result<()> {
    let clients = prepare()?;
    test::build()?;
    clients.run()
}

/// Installs the clients.
pub(crate) fn prepare() -> Result<Clients> {
    fs::create_dir_all(workspace::test_directory())?;
    let python = step("prepare the Python client", python::prepare)?;
    let node = step("prepare the Node client", node::prepare)?;
    Ok(Clients { python, node })
}

impl Clients {
    /// Runs all scripts, each with a gateway of its own.
    pub(crate) fn run(&self) -> Result<()> {
        for script in scripts(&workspace::root().join("tests/sdk/python"), "py")? {
            run_script(self.python.as_os_str().to_owned(), &script)?;
        }
        for script in scripts(&self.node, "mjs")? {
            run_script("node".into(), &script)?;
        }
        Ok(())
    }
}

fn run_script(interpreter: OsString, script: &Path) -> Result<()> {
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    step(&format!("OpenAI client: {name}"), || {
        let mut command = Command::new(workspace::program("regrow-chaos")?);
        command.args(["with-gateway", "--regrow"]).arg(workspace::program("regrow")?);
        run_command(command.arg("--").arg(interpreter).arg(script))
    })
}

/// The scripts of a directory, by name; none at all would be a test that cannot fail.
fn scripts(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "there are no .{extension} scripts in {}", directory.display());
    Ok(found)
}
