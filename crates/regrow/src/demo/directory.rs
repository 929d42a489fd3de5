//! The directory of a demonstration: configuration, state and logs. It goes with its owner unless it is to be kept; one
//! that cannot be removed stays, which harms nobody.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A temporary directory that only its owner can read.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    keep: bool,
}

impl Directory {
    pub(super) fn create(keep: bool) -> anyhow::Result<Self> {
        // Short, because sockets lie in it, and the system bounds the length of their paths.
        let path = std::env::temp_dir().join(format!("regrow-demo-{:08x}", fastrand::u32(..)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot create the directory {}", path.display()))?;
        Ok(Self { path, keep })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// There is something in it that somebody should see.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Where it is, if it stays.
    pub(super) fn kept(&self) -> Option<&Path> {
        self.keep.then_some(&self.path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_unless_it_is_kept() {
        let (gone, mut kept) = (Directory::create(false).unwrap(), Directory::create(false).unwrap());
        std::fs::write(gone.path().join("log"), "x").unwrap();
        let paths = [gone.path().to_owned(), kept.path().to_owned()];
        kept.keep();
        assert_eq!((gone.kept(), kept.kept()), (None, Some(&*paths[1])));
        drop((gone, kept));
        assert_eq!(paths.each_ref().map(|path| path.exists()), [false, true]);
        std::fs::remove_dir(&paths[1]).unwrap();
    }
}
