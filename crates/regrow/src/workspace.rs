//! A new agent's workspace: files to start from, which its owner edits. Files that exist are never touched.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;

/// What a new workspace holds.
const FILES: [(&str, &str); 3] = [
    (
        "AGENTS.md",
        "# How to work here\n\n- This directory is yours: keep notes, drafts and results in it.\n- Write what you must \
         not forget into MEMORY.md, in short lines.\n- Ask before you delete something that you did not make.\n",
    ),
    ("SOUL.md", "# Who you are\n\nFriendly, direct and honest. You say when you do not know something.\n"),
    ("IDENTITY.md", "# Identity\n\nName: Assistant\n"),
];

/// Creates what is missing. Several replicas may do so at once.
pub(crate) fn bootstrap(workspace: &Path) -> anyhow::Result<()> {
    for (name, text) in FILES {
        let path = workspace.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_a_new_workspace_and_keeps_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("SOUL.md"), "mine").unwrap();
        bootstrap(directory.path()).unwrap();
        bootstrap(directory.path()).unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join("SOUL.md")).unwrap(), "mine");
        assert!(directory.path().join("AGENTS.md").exists());
    }
}
