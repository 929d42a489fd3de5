//! An initialised data directory, made once for each version and copied for each server: `initdb` takes a second, a
//! copy some hundredths of one.
//!
//! It comes into being by a rename under a lock, so it is whole when it is there, and processes that want it at once
//! make it once. It lies among the system's temporary files, because the server's user need not be allowed to enter a
//! build directory. Whoever deletes it has it made anew.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::installation::Installation;

/// The superuser of every server.
pub(super) const USER: &str = "regrow";

/// Changes whenever the template is made differently.
const RECIPE: &str = "1";

/// A new home of a server: a directory with the initialised `data`, and the password of [`USER`].
pub(super) fn copy(installation: &Installation) -> Result<(TempDir, String)> {
    let template = prepare(installation)?;
    let password = fs::read_to_string(template.join("password"))?;
    let home = new_directory(installation)?;
    let mut copy = installation.foreign_command(Path::new("cp"));
    installation.run(copy.arg("-R").arg(template.join("data")).arg(home.path()))?;
    Ok((home, password))
}

/// A new empty directory that belongs to the server's user.
pub(super) fn new_directory(installation: &Installation) -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix("server-").tempdir_in(root(installation)?)?;
    installation.account().own(made.path())?;
    Ok(made)
}

fn prepare(installation: &Installation) -> Result<PathBuf> {
    let root = root(installation)?;
    let name: String =
        installation.version().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let template = root.join(format!("template-{RECIPE}-{name}"));
    let path = root.join("lock");
    let lock = File::create(&path)?;
    installation.account().own(&path)?;
    // Given up when the file is closed, also by the end of this process.
    lock.lock()?;
    if !template.exists() {
        let made = new_directory(installation)?;
        initialise(installation, made.path())?;
        fs::rename(made.keep(), &template)?;
    }
    Ok(template)
}

fn initialise(installation: &Installation, directory: &Path) -> Result<()> {
    let password: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
    let file = directory.join("password");
    fs::write(&file, &password)?;
    installation.account().own(&file)?;
    let mut initdb = installation.command("initdb");
    initdb.arg("--pgdata").arg(directory.join("data")).arg("--pwfile").arg(&file);
    initdb.args(["--username", USER, "--auth", "scram-sha-256"]);
    // The same order of texts everywhere. Nothing here has to survive the machine.
    initdb.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]);
    installation.run(&mut initdb)?;
    Ok(())
}

/// The directory of everything that belongs to servers of this user.
fn root(installation: &Installation) -> Result<PathBuf> {
    let uid = installation.account().uid();
    let root = std::env::temp_dir().join(format!("regrow-testbed-{uid}"));
    match DirBuilder::new().mode(0o700).create(&root) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot create {}", root.display()));
        }
        _ => {}
    }
    let owner = fs::symlink_metadata(&root)?.uid();
    // It is new, or who made it did not come to give it away.
    if owner != uid && owner == rustix::process::geteuid().as_raw() {
        installation.account().own(&root)?;
    } else {
        ensure!(owner == uid, "{} belongs to somebody else: remove it, or set TMPDIR", root.display());
    }
    Ok(root)
}
