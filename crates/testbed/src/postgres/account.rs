//! Who the server runs as: PostgreSQL refuses to run as root, so root lends it to somebody without rights.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::geteuid;

/// Users for root to choose from; the first one that exists is taken.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// The user that runs the server and owns its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    /// What has to be assumed; `None` if this process runs as that user already.
    assumed: Option<Assumed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Assumed {
    uid: u32,
    gid: u32,
}

impl Account {
    pub(super) fn choose() -> Result<Self> {
        let user = geteuid();
        if !user.is_root() {
            return Ok(Self { uid: user.as_raw(), assumed: None });
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read the list of users")?;
        let assumed = NAMES.iter().find_map(|name| find_user(&users, name));
        let assumed = assumed
            .context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")?;
        Ok(Self { uid: assumed.uid, assumed: Some(assumed) })
    }

    pub(super) fn uid(self) -> u32 {
        self.uid
    }

    /// Makes a command run as this user.
    pub(super) fn assume(self, command: &mut Command) {
        if let Some(Assumed { uid, gid }) = self.assumed {
            command.uid(uid).gid(gid);
        }
    }

    /// Makes this user the owner of a file or directory that this process has made.
    pub(super) fn own(self, path: &Path) -> Result<()> {
        let Some(Assumed { uid, gid }) = self.assumed else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot give {} away", path.display()))
    }
}

/// Finds a user in what `/etc/passwd` holds.
fn find_user(users: &str, name: &str) -> Option<Assumed> {
    let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        // The password comes before the ids.
        (fields.next() == Some(name)).then(|| fields.skip(1))
    })?;
    Some(Assumed { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_user_by_its_whole_name() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:,,,:/:/bin/sh\n";
        assert_eq!(find_user(users, "postgres"), Some(Assumed { uid: 101, gid: 104 }));
        assert_eq!(find_user(users, "nobody"), None);
    }
}
