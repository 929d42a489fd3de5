//! Files that a configuration was read from, and whether they are still the same.
//!
//! Compared is where a path leads and what stands there, not only the file's own times: Kubernetes exchanges the files of a
//! ConfigMap or Secret by letting a symbolic link above them lead elsewhere. It is looked at before the file is read, so that
//! a change in between is seen as one that comes after.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that was read, or was to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    path: PathBuf,
    /// Nothing if there was no such file.
    seen: Option<Seen>,
}

/// What stood at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    resolved: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Watched {
    /// What stands there now.
    pub fn look(path: &Path) -> Self {
        let resolved = path.canonicalize().ok();
        let seen = resolved.and_then(|resolved| Some(Seen::new(resolved.metadata().ok()?, resolved)));
        Self { path: path.to_owned(), seen }
    }

    /// Its path, as it is named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands there now, again.
    pub fn look_again(&self) -> Self {
        Self::look(&self.path)
    }
}

impl Seen {
    fn new(metadata: Metadata, resolved: PathBuf) -> Self {
        Self {
            resolved,
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn has_changed(watched: &mut Watched) -> bool {
        let now = watched.look_again();
        std::mem::replace(watched, now.clone()) != now
    }

    #[test]
    fn a_link_that_is_exchanged_above_a_file_is_a_change_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("key"), "same size").unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/key", at("key")).unwrap();
        let mut watched = Watched::look(&at("key"));
        assert!(!has_changed(&mut watched));
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(has_changed(&mut watched) && !has_changed(&mut watched));
    }

    #[test]
    fn a_file_that_comes_grows_or_goes_is_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let mut watched = Watched::look(&path);
        assert!(!has_changed(&mut watched));
        for text in ["1", "12"] {
            fs::write(&path, text).unwrap();
            assert!(has_changed(&mut watched) && !has_changed(&mut watched));
        }
        fs::remove_file(&path).unwrap();
        assert!(has_changed(&mut watched) && !has_changed(&mut watched));
    }
}
