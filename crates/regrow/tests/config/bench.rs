//! A directory with configuration files and an environment of its own, for one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up must fail")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use regrow::config::{Loaded, Source, load_watched, render};
use tempfile::TempDir;

/// Files and variables that a test loads a configuration from.
pub(crate) struct Bench {
    dir: TempDir,
    env: HashMap<String, String>,
}

impl Bench {
    /// A bench with this root file.
    pub(crate) fn new(root: &str) -> Self {
        let bench = Self { dir: TempDir::new().unwrap(), env: HashMap::new() };
        bench.file("openclaw.json", root)
    }

    /// Adds a file, readable by its owner alone.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        self
    }

    /// Adds an environment variable.
    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A path inside of the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Loads the root file; the error is what a terminal shows, with paths relative to the directory.
    pub(crate) fn load(&self) -> Result<Loaded, String> {
        self.load_path(Some(self.path("openclaw.json")))
    }

    /// Loads some root file, or none.
    pub(crate) fn load_path(&self, path: Option<PathBuf>) -> Result<Loaded, String> {
        load_watched(&self.source(path)).0.map_err(|problems| self.relative(&render(&problems)))
    }

    /// The files whose changes are changes of the configuration, whether or not it can be loaded.
    pub(crate) fn watched(&self) -> Vec<String> {
        let (_, files) = load_watched(&self.source(Some(self.path("openclaw.json"))));
        files.iter().map(|file| self.relative(&file.path().display().to_string())).collect()
    }

    fn source(&self, path: Option<PathBuf>) -> Source {
        let env = self.env.clone();
        Source { path, env: Box::new(move |name| env.get(name).cloned()) }
    }

    /// What a terminal shows for the warnings of a load.
    pub(crate) fn warnings(&self) -> String {
        self.relative(&render(&self.load().unwrap().warnings))
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

/// Sets the permissions of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
