//! Where PostgreSQL's programs are, and how they are run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::account::Account;

/// Where Debian puts each major version, which it keeps off `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// What a test bed runs.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];

/// The programs of one version of PostgreSQL, and the user that runs them.
#[derive(Debug, Clone)]
pub struct Installation {
    directory: PathBuf,
    version: String,
    account: Account,
}

impl Installation {
    /// Finds PostgreSQL on `PATH`, else the newest version where Debian puts it.
    pub fn find() -> Result<Self> {
        let directory = on_path().or_else(newest).with_context(|| {
            format!(
                "PostgreSQL's server is neither on PATH nor in {VERSIONS}: `cargo xtask test` installs it"
            )
        })?;
        let mut found = Self { directory, version: String::new(), account: Account::choose()? };
        found.version = found.run(found.command("postgres").arg("--version"))?;
        Ok(found)
    }

    /// What the server calls itself, such as `postgres (PostgreSQL) 17.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// Makes the server's user the owner of a file, and the only one who can read it.
    pub(super) fn own_private(&self, path: &Path) -> Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        self.account.own(path)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A command of PostgreSQL that runs as its user; variables for PostgreSQL's clients do not reach it.
    pub fn command(&self, name: &str) -> Command {
        self.foreign_command(&self.program(name))
    }

    /// Any command that runs as the server's user.
    pub(super) fn foreign_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        self.account.assume(&mut command);
        // That user may not be allowed to be where this process is.
        command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and returns what it printed; a failure shows what it complained about.
    pub(super) fn run(&self, command: &mut Command) -> Result<String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.output().with_context(|| format!("cannot run {name}"))?;
        if !output.status.success() {
            bail!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The directory that `initdb` on `PATH` is in, after all links: these lead to one version.
fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let links = std::env::split_paths(&path).map(|directory| directory.join("initdb"));
    links
        .filter_map(|link| Some(link.canonicalize().ok()?.parent()?.to_owned()))
        .find(|found| is_complete(found))
}

fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.flatten().map(|entry| entry.path());
    let complete = versions.filter_map(|path| {
        let major: u32 = path.file_name()?.to_str()?.parse().ok()?;
        Some((major, path.join("bin"))).filter(|(_, directory)| is_complete(directory))
    });
    complete.max().map(|(_, directory)| directory)
}

fn is_complete(directory: &Path) -> bool {
    PROGRAMS.iter().all(|program| directory.join(program).is_file())
}
