//! `write`: puts content into a file of the workspace. Keyed by nature: the same call again leaves the same file.

use std::path::PathBuf;

use async_trait::async_trait;
use regrow_protocol::ToolSpec;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::refusal::Refusal;
use crate::workspace::Workspace;
use crate::{Class, Context, Output, Tool, blocking, path_lock, replace};

/// The tool.
pub(crate) struct WriteTool {
    spec: ToolSpec,
}

impl WriteTool {
    pub(crate) fn new() -> Self {
        let spec = ToolSpec {
            name: "write".into(),
            description:
                "Writes a text file in the workspace: creates it, with the directories above it, or replaces \
                          all of its content. To change a part of a file, use `edit`."
                    .into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The file, relative to the workspace." },
                    "content": { "type": "string", "description": "The whole new content." },
                },
                "required": ["path", "content"],
            }),
            strict: false,
        };
        Self { spec }
    }
}

#[async_trait]
impl Tool for WriteTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn class(&self) -> Class {
        Class::Keyed
    }

    async fn call(&self, context: &Context<'_>, arguments: Value) -> Output {
        match Job::new(context, arguments) {
            Ok(job) => blocking::run(move || job.write()).await,
            Err(refusal) => Err(refusal).into(),
        }
    }
}

/// One call, with all that its blocking part needs.
struct Job {
    workspace: PathBuf,
    tag: String,
    rerun: bool,
    path: String,
    content: String,
}

impl Job {
    fn new(context: &Context<'_>, arguments: Value) -> Result<Self, Refusal> {
        let mut arguments = Arguments::new(arguments)?;
        Ok(Self {
            workspace: context.workspace.to_owned(),
            tag: replace::tag(context.key),
            rerun: context.rerun,
            path: arguments.take_text("path")?,
            content: arguments.take_text("content")?,
        })
    }

    fn write(&self) -> Result<String, Refusal> {
        let workspace = Workspace::at(&self.workspace)?;
        let target = workspace.resolve(&self.path)?;
        let _guard = path_lock::lock(&target.path);
        target.check_replaceable()?;
        workspace.create_parents(&target)?;
        if let (true, Some(directory)) = (self.rerun, target.path.parent()) {
            replace::remove_leftovers(directory, &self.tag);
        }
        replace::replace(&target.path, self.content.as_bytes(), &self.tag)
            .map_err(|error| Refusal::io("write", &target.name, &error))?;
        Ok(format!("Wrote {} bytes to `{}`.", self.content.len(), target.name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::SessionStatus;

    async fn write(workspace: &std::path::Path, rerun: bool, arguments: Value) -> Output {
        let status = SessionStatus::default();
        let context = Context { workspace, state_dir: workspace, key: "run:1", rerun, status: &status };
        WriteTool::new().call(&context, arguments).await
    }

    #[tokio::test]
    async fn creates_directories_and_replaces_content() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["first", "second, longer", "3"] {
            let output =
                write(dir.path(), false, json!({ "path": "a/b/c.txt", "content": content, "x": 1 })).await;
            assert!(!output.is_error, "{}", output.content);
            assert_eq!(fs::read_to_string(dir.path().join("a/b/c.txt")).unwrap(), content);
        }
    }

    #[tokio::test]
    async fn a_rerun_ends_in_the_same_file_and_clears_up_after_the_crash() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join(format!("{}{}-1", replace::PREFIX, replace::tag("run:1")));
        fs::write(&leftover, "ha").unwrap();
        let output = write(dir.path(), true, json!({ "path": "f", "content": "half or whole" })).await;
        assert!(!output.is_error, "{}", output.content);
        assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "half or whole");
        assert!(!leftover.exists());
    }

    #[tokio::test]
    async fn a_link_inside_keeps_being_a_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), "old").unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        assert!(!write(dir.path(), false, json!({ "path": "link", "content": "new" })).await.is_error);
        assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(dir.path().join("real")).unwrap(), "new");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_told() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("out")).unwrap();
        fs::write(dir.path().join("fixed"), "kept").unwrap();
        let mut permissions = fs::metadata(dir.path().join("fixed")).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(dir.path().join("fixed"), permissions).unwrap();
        for (arguments, want) in [
            (json!({ "path": "out/x", "content": "" }), "outside the workspace"),
            (json!({ "path": ".", "content": "" }), "is a directory"),
            (json!({ "path": "fixed", "content": "" }), "is read-only"),
            (json!({ "path": "f" }), "`content` is missing: it must be a string"),
            (json!({ "path": "f", "content": { "a": 1 } }), "`content` must be a string, not an object"),
            (json!({ "content": "" }), "`path` is missing"),
        ] {
            let output = write(dir.path(), false, arguments).await;
            assert!(output.is_error && output.content.contains(want), "{}", output.content);
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(dir.path().join("fixed")).unwrap(), "kept");
    }
}
