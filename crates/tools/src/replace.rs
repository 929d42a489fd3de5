//! Replaces a file as a whole: a crash leaves the old content or the new, never half of one.
//!
//! The content goes to a temporary file in the same directory, is made durable, and takes the file's place by a
//! rename. Each attempt has a temporary file of its own, because an attempt that was thought dead may still be
//! writing. Its name carries a tag of the call, so that the call's next attempt finds what a crash left behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::workspace::sync_parent;

/// What the names of temporary files begin with.
pub(crate) const PREFIX: &str = ".regrow-";

/// The most directory entries looked at when leftovers are removed; in a larger directory some may stay.
const MAX_SCAN: usize = 10_000;

/// The SHA-256 of `bytes` in lowercase hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The mark that temporary files of the call with this key carry.
pub(crate) fn tag(key: &str) -> String {
    sha256(key.as_bytes())[..16].to_owned()
}

/// Puts `content` in the place of the file at `path`, whose directory exists. The file keeps its permissions. When
/// this returns, the new content is durable.
pub(crate) fn replace(path: &Path, content: &[u8], tag: &str) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let temporary = Temporary { path: directory.join(format!("{PREFIX}{tag}-{:016x}", fastrand::u64(..))) };
    // `create_new` follows no link.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary.path)?;
    file.write_all(content)?;
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => file.set_permissions(metadata.permissions())?,
        _ => {}
    }
    file.sync_all()?;
    fs::rename(&temporary.path, path)?;
    sync_parent(path)
}

/// Removes temporary files that earlier attempts of the call left in `directory`. Failing does no harm.
pub(crate) fn remove_leftovers(directory: &Path, tag: &str) {
    let prefix = format!("{PREFIX}{tag}-");
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.take(MAX_SCAN).flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes the temporary file when the attempt fails; after the rename there is none of that name any more.
struct Temporary {
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes `directory` and what is missing above it.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_new_content_has_the_old_permissions_and_nothing_stays_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("script");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        replace(&path, b"new", "tag").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(names(dir.path()), ["script"]);
    }

    #[test]
    fn a_failure_leaves_the_old_content_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir_all(path.join("by a directory")).unwrap();
        assert!(replace(&path, b"new", "tag").is_err());
        assert_eq!(names(dir.path()), ["taken"]);
    }

    #[test]
    fn leftovers_of_one_call_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (mine, other) = (tag("run:1"), tag("run:2"));
        fs::write(dir.path().join(format!("{PREFIX}{mine}-0")), "half").unwrap();
        fs::write(dir.path().join(format!("{PREFIX}{other}-0")), "half").unwrap();
        remove_leftovers(dir.path(), &mine);
        assert_eq!(names(dir.path()), [format!("{PREFIX}{other}-0")]);
    }
}
