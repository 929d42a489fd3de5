//! Confinement: which file a path means, and that it lies inside the agent's workspace.
//!
//! A path is followed component by component from the workspace's real directory. Links are followed only to places
//! inside; `..` may not climb above the workspace; devices, pipes and sockets are refused before they are opened.
//! After opening, the file must still be the one that was checked, so that a link put there in between is noticed.
//! Hard links and mounts inside the workspace are part of it.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::refusal::Refusal;

/// How often a file is opened again because it was replaced in that moment, as `write` and `edit` do.
const MAX_OPENS: usize = 5;

/// An agent's workspace.
pub(crate) struct Workspace {
    /// As configured: absolute paths may begin with it.
    given: PathBuf,
    /// Without links.
    root: PathBuf,
}

/// A place inside a workspace, where there may be a file.
#[derive(Debug)]
pub(crate) struct Target {
    /// The real path, without links.
    pub(crate) path: PathBuf,
    /// The path in the workspace, for messages and records.
    pub(crate) name: String,
}

impl Workspace {
    /// The workspace at `directory`, which must exist.
    pub(crate) fn at(directory: &Path) -> Result<Self, Refusal> {
        let root = fs::canonicalize(directory)
            .map_err(|error| Refusal(format!("the workspace is missing: {error}")))?;
        Ok(Self { given: directory.to_owned(), root })
    }

    /// Where `given` leads. It may name something that does not exist yet.
    pub(crate) fn resolve(&self, given: &str) -> Result<Target, Refusal> {
        let mut real = self.root.clone();
        for component in self.relative(given)?.components() {
            match component {
                Component::CurDir => {}
                Component::Normal(name) => {
                    real.push(name);
                    self.follow(&mut real, given)?;
                }
                Component::ParentDir if real != self.root => {
                    real.pop();
                }
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(outside(given));
                }
            }
        }
        let name = real.strip_prefix(&self.root).unwrap_or(&real).display().to_string();
        Ok(Target { path: real, name })
    }

    /// Makes the missing directories above `target`, each durable in its parent.
    pub(crate) fn create_parents(&self, target: &Target) -> Result<(), Refusal> {
        let parents: Vec<&Path> =
            target.path.ancestors().skip(1).take_while(|directory| *directory != self.root).collect();
        for directory in parents.into_iter().rev() {
            match fs::create_dir(directory) {
                Ok(()) => sync_parent(directory),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
                Err(error) => Err(error),
            }
            .map_err(|error| Refusal::io("create the directories for", &target.name, &error))?;
        }
        Ok(())
    }

    /// The path below the workspace that `given` spells, links and `..` not yet followed.
    fn relative<'a>(&self, given: &'a str) -> Result<&'a Path, Refusal> {
        let path = Path::new(given);
        if given.is_empty() || given.contains('\0') {
            return Err(Refusal("`path` must be the name of a file".into()));
        }
        if path.is_relative() {
            return Ok(path);
        }
        [&self.given, &self.root]
            .into_iter()
            .find_map(|base| path.strip_prefix(base).ok())
            .ok_or_else(|| outside(given))
    }

    /// Replaces `real` by where it leads, if it is a link.
    fn follow(&self, real: &mut PathBuf, given: &str) -> Result<(), Refusal> {
        match fs::symlink_metadata(&*real) {
            Ok(metadata) if metadata.is_symlink() => {
                *real = fs::canonicalize(&*real).map_err(|_| {
                    Refusal(format!("`{given}` goes through a symbolic link that leads nowhere"))
                })?;
                if real.starts_with(&self.root) { Ok(()) } else { Err(outside(given)) }
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Refusal::io("reach", given, &error)),
        }
    }
}

impl Target {
    /// Opens the regular file at this place for reading, and tells its length.
    pub(crate) fn open(&self) -> Result<(File, u64), Refusal> {
        let failed = |error: io::Error| Refusal::io("open", &self.name, &error);
        for _ in 0..MAX_OPENS {
            self.regular()?.ok_or_else(|| Refusal(format!("there is no file `{}`", self.name)))?;
            let file = File::open(&self.path).map_err(failed)?;
            let opened = file.metadata().map_err(failed)?;
            if stands_at(&opened, &self.path) {
                return Ok((file, opened.len()));
            }
        }
        Err(Refusal(format!("`{}` is being replaced all the time; try again", self.name)))
    }

    /// The whole content of the file, at most `limit` bytes of it, which is refused if there is more.
    pub(crate) fn read_whole(&self, limit: u64) -> Result<Vec<u8>, Refusal> {
        let (file, _) = self.open()?;
        let mut content = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut content)
            .map_err(|error| Refusal::io("read", &self.name, &error))?;
        if content.len() as u64 > limit {
            return Err(Refusal(format!(
                "`{}` is larger than {limit} bytes, the most this tool takes",
                self.name
            )));
        }
        Ok(content)
    }

    /// Refuses a place whose file may not be replaced: a read-only one, or something that is no regular file.
    pub(crate) fn check_replaceable(&self) -> Result<(), Refusal> {
        match self.regular()? {
            Some(metadata) if metadata.permissions().readonly() => {
                Err(Refusal(format!("`{}` is read-only", self.name)))
            }
            _ => Ok(()),
        }
    }

    /// What is known of the regular file at this place; nothing if there is none; anything else there is refused.
    pub(crate) fn regular(&self) -> Result<Option<Metadata>, Refusal> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
            Ok(metadata) if metadata.is_dir() => {
                let name = if self.name.is_empty() { "." } else { &self.name };
                Err(Refusal(format!("`{name}` is a directory, not a file")))
            }
            Ok(_) => Err(Refusal(format!(
                "`{}` is not a regular file (a device, pipe, socket or link)",
                self.name
            ))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Refusal::io("reach", &self.name, &error)),
        }
    }
}

/// Whether an opened file is the regular file at this real path, so that no link was followed on the way to it.
fn stands_at(opened: &Metadata, path: &Path) -> bool {
    let same = |found: Metadata| (found.dev(), found.ino()) == (opened.dev(), opened.ino());
    opened.is_file()
        && fs::symlink_metadata(path).is_ok_and(same)
        && fs::canonicalize(path).is_ok_and(|real| real == path)
}

/// Makes the entry of `path` in its directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn outside(given: &str) -> Refusal {
    Refusal(format!("`{given}` is outside the workspace; use a path inside it, relative to it"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A workspace `w` with files and links, beside a secret that is outside.
    fn world() -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("w");
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::create_dir(dir.path().join("other")).unwrap();
        fs::create_dir(dir.path().join("w-sibling")).unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        fs::write(root.join("file"), "f").unwrap();
        symlink("file", root.join("inside")).unwrap();
        symlink("sub/deep", root.join("deep")).unwrap();
        symlink("../secret", root.join("leak")).unwrap();
        symlink(dir.path().join("other"), root.join("out")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let workspace = Workspace::at(&root).unwrap();
        (dir, workspace)
    }

    #[test]
    fn paths_lead_inside() {
        let (dir, workspace) = world();
        let root = dir.path().join("w");
        let absolute = root.join("sub/new").display().to_string();
        for (given, want) in [
            ("file", "file"),
            ("./sub/../file", "file"),
            ("inside", "file"),
            ("deep/new.txt", "sub/deep/new.txt"),
            // As the system does it: `..` of a link is the parent of where it leads.
            ("deep/../x", "sub/x"),
            ("new/dir/file", "new/dir/file"),
            (absolute.as_str(), "sub/new"),
            ("odd\nname \u{202e}…", "odd\nname \u{202e}…"),
        ] {
            let target = workspace.resolve(given).unwrap();
            assert_eq!(target.name, want, "{given}");
            assert!(target.path.starts_with(&workspace.root), "{given}");
        }
    }

    #[test]
    fn paths_that_leave_are_refused() {
        let (dir, workspace) = world();
        let sibling = dir.path().join("w-sibling/x").display().to_string();
        let climbing = dir.path().join("w/../secret").display().to_string();
        let long = "x".repeat(300);
        for (given, want) in [
            ("..", "outside"),
            ("../secret", "outside"),
            ("sub/../../secret", "outside"),
            ("new/../../secret", "outside"),
            ("deep/../../../secret", "outside"),
            ("/etc/passwd", "outside"),
            ("/", "outside"),
            (sibling.as_str(), "outside"),
            (climbing.as_str(), "outside"),
            ("leak", "outside"),
            ("out/x", "outside"),
            ("out/new/x", "outside"),
            ("dangling", "leads nowhere"),
            ("loop/x", "leads nowhere"),
            ("file/x", "cannot reach"),
            (long.as_str(), "cannot reach"),
            ("", "must be the name"),
            ("a\0b", "must be the name"),
        ] {
            let Refusal(sentence) = workspace.resolve(given).unwrap_err();
            assert!(sentence.contains(want), "{given:?}: {sentence}");
        }
    }

    #[test]
    fn only_regular_files_open() {
        let (dir, workspace) = world();
        let _socket = UnixListener::bind(dir.path().join("w/socket")).unwrap();
        for (given, want) in [
            ("socket", "not a regular file"),
            ("sub", "is a directory"),
            (".", "`.` is a directory"),
            ("absent", "there is no file"),
        ] {
            let Refusal(sentence) = workspace.resolve(given).unwrap().open().unwrap_err();
            assert!(sentence.contains(want), "{given}: {sentence}");
        }
        assert_eq!(workspace.resolve("inside").unwrap().read_whole(1).unwrap(), b"f");
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let (dir, workspace) = world();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("w/pipe")).status().unwrap();
        assert!(made.success());
        let Refusal(sentence) = workspace.resolve("pipe").unwrap().open().unwrap_err();
        assert!(sentence.contains("not a regular file"), "{sentence}");
    }

    #[test]
    fn a_link_put_in_the_place_of_a_checked_file_is_noticed() {
        let (dir, workspace) = world();
        let target = workspace.resolve("file").unwrap();
        fs::remove_file(&target.path).unwrap();
        symlink(dir.path().join("secret"), &target.path).unwrap();
        assert!(target.open().is_err());

        let below = workspace.resolve("sub/new").unwrap();
        fs::remove_dir_all(dir.path().join("w/sub")).unwrap();
        fs::write(dir.path().join("other/new"), "s").unwrap();
        symlink(dir.path().join("other"), dir.path().join("w/sub")).unwrap();
        assert!(below.open().is_err());
    }

    #[test]
    fn an_opened_file_is_compared_with_what_is_there() {
        let (dir, workspace) = world();
        let path = workspace.resolve("file").unwrap().path;
        let opened = File::open(&path).unwrap().metadata().unwrap();
        assert!(stands_at(&opened, &path));
        let through_a_link = workspace.root.join("deep/x");
        fs::write(&through_a_link, "x").unwrap();
        assert!(!stands_at(&fs::metadata(&through_a_link).unwrap(), &through_a_link));
        assert!(!stands_at(&fs::metadata(dir.path().join("secret")).unwrap(), &path));
        fs::remove_file(&path).unwrap();
        assert!(!stands_at(&opened, &path));
    }

    #[test]
    fn files_over_the_limit_are_refused() {
        let (dir, workspace) = world();
        fs::write(dir.path().join("w/file"), "12345").unwrap();
        let target = workspace.resolve("file").unwrap();
        assert!(target.read_whole(4).is_err());
        assert_eq!(target.read_whole(5).unwrap(), b"12345");
    }
}
