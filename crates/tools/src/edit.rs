//! `edit`: replaces exact pieces of a file. Keyed: before the file is replaced, a record of what it was and what it
//! becomes is made durable, so that a rerun can tell whether the edit has had its effect.

mod record;
mod replacement;

use std::path::PathBuf;

use async_trait::async_trait;
use regrow_protocol::ToolSpec;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::refusal::Refusal;
use crate::workspace::{Target, Workspace};
use crate::{Class, Context, Output, Tool, blocking, path_lock, replace};
use record::{Records, Standing};
use replacement::Edit;

/// The largest file that can be edited: it is held in memory twice.
const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// The tool.
pub(crate) struct EditTool {
    spec: ToolSpec,
}

impl EditTool {
    pub(crate) fn new() -> Self {
        let spec = ToolSpec {
            name: "edit".into(),
            description: "Changes a text file of the workspace by replacing exact pieces of text. Each oldText must \
                          occur exactly once in the file as it is before the call. Either all edits are made or none."
                .into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The file, relative to the workspace." },
                    "edits": {
                        "type": "array",
                        "minItems": 1,
                        "description": "Edits that do not overlap.",
                        "items": {
                            "type": "object",
                            "properties": {
                                "oldText": { "type": "string", "description": "The exact text to replace." },
                                "newText": { "type": "string", "description": "What takes its place." },
                            },
                            "required": ["oldText", "newText"],
                        },
                    },
                },
                "required": ["path", "edits"],
            }),
            strict: false,
        };
        Self { spec }
    }
}

#[async_trait]
impl Tool for EditTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn class(&self) -> Class {
        Class::Keyed
    }

    async fn call(&self, context: &Context<'_>, arguments: Value) -> Output {
        match Job::new(context, arguments) {
            Ok(job) => blocking::run(move || job.edit()).await,
            Err(refusal) => Err(refusal).into(),
        }
    }
}

/// One call, with all that its blocking part needs.
struct Job {
    workspace: PathBuf,
    records: Records,
    key: String,
    rerun: bool,
    path: String,
    edits: Vec<Edit>,
}

impl Job {
    fn new(context: &Context<'_>, arguments: Value) -> Result<Self, Refusal> {
        let mut arguments = Arguments::new(arguments)?;
        Ok(Self {
            workspace: context.workspace.to_owned(),
            records: Records::of(context.state_dir),
            key: context.key.to_owned(),
            rerun: context.rerun,
            path: arguments.take_text("path")?,
            edits: replacement::from_arguments(&mut arguments)?,
        })
    }

    fn edit(&self) -> Result<String, Refusal> {
        let target = Workspace::at(&self.workspace)?.resolve(&self.path)?;
        let _guard = path_lock::lock(&target.path);
        let original = target.read_whole(MAX_BYTES)?;
        if self.rerun && self.settle(&target, &original)? {
            return Ok(self.success(&target));
        }
        target.check_replaceable()?;
        let edited = self.edited(&target, &original)?;
        self.records.save(&self.key, &target.name, &original, edited.as_bytes())?;
        replace::replace(&target.path, edited.as_bytes(), &replace::tag(&self.key))
            .map_err(|error| Refusal::io("write", &target.name, &error))?;
        self.records.sweep(&self.key);
        Ok(self.success(&target))
    }

    /// Finds out what became of an earlier attempt: true if it had its effect, false if it had none.
    fn settle(&self, target: &Target, current: &[u8]) -> Result<bool, Refusal> {
        if let Some(directory) = target.path.parent() {
            replace::remove_leftovers(directory, &replace::tag(&self.key));
        }
        match self.records.standing(&self.key, &target.name, current)? {
            Standing::Unrecorded | Standing::Before => Ok(false),
            Standing::After => Ok(true),
            Standing::Changed => Err(Refusal(format!(
                "`{}` changed meanwhile: it is neither what it was before this edit nor what the edit made of it. Read \
                 it again before you edit it.",
                target.name
            ))),
        }
    }

    fn edited(&self, target: &Target, original: &[u8]) -> Result<String, Refusal> {
        let text = std::str::from_utf8(original)
            .map_err(|_| Refusal(format!("`{}` is not UTF-8 text, so it cannot be edited", target.name)))?;
        replacement::apply(text, &self.edits, &target.name)
    }

    fn success(&self, target: &Target) -> String {
        let plural = if self.edits.len() == 1 { "" } else { "s" };
        format!("Made {} edit{plural} in `{}`.", self.edits.len(), target.name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::SessionStatus;

    /// A workspace with the file `f`, and a state directory beside it.
    struct World {
        dir: tempfile::TempDir,
    }

    impl World {
        fn new(content: &str) -> Self {
            let world = Self { dir: tempfile::tempdir().unwrap() };
            fs::create_dir(world.workspace()).unwrap();
            world.put(content);
            world
        }

        fn workspace(&self) -> PathBuf {
            self.dir.path().join("workspace")
        }

        fn state(&self) -> PathBuf {
            self.dir.path().join("state")
        }

        fn put(&self, content: &str) {
            fs::write(self.workspace().join("f"), content).unwrap();
        }

        fn content(&self) -> String {
            fs::read_to_string(self.workspace().join("f")).unwrap()
        }

        async fn edit(&self, key: &str, rerun: bool, old: &str, new: &str) -> Output {
            self.call(key, rerun, json!({ "path": "f", "edits": [{ "oldText": old, "newText": new }] })).await
        }

        async fn call(&self, key: &str, rerun: bool, arguments: Value) -> Output {
            let (workspace, state_dir, status) = (self.workspace(), self.state(), SessionStatus::default());
            let context =
                Context { workspace: &workspace, state_dir: &state_dir, key, rerun, status: &status };
            EditTool::new().call(&context, arguments).await
        }
    }

    #[tokio::test]
    async fn a_rerun_after_the_rename_does_not_edit_again() {
        // The new text contains the old one once, so a second edit would be possible and wrong.
        let world = World::new("wait");
        let first = world.edit("run:1", false, "wait", "wait!").await;
        let again = world.edit("run:1", true, "wait", "wait!").await;
        assert_eq!(first, again);
        assert_eq!((world.content().as_str(), again.is_error), ("wait!", false));
    }

    #[tokio::test]
    async fn a_rerun_after_the_record_and_before_the_rename_edits_once() {
        let world = World::new("count: 1\n");
        Records::of(&world.state()).save("run:1", "f", b"count: 1\n", b"count: 2\n").unwrap();
        let leftover = world.workspace().join(format!("{}{}-1", replace::PREFIX, replace::tag("run:1")));
        fs::write(&leftover, "coun").unwrap();
        let output = world.edit("run:1", true, "1", "2").await;
        assert_eq!((world.content().as_str(), output.is_error), ("count: 2\n", false), "{}", output.content);
        assert!(!leftover.exists());
        assert!(!world.edit("run:1", true, "1", "2").await.is_error);
        assert_eq!(world.content(), "count: 2\n");
    }

    #[tokio::test]
    async fn a_rerun_before_the_record_is_a_first_run() {
        let world = World::new("count: 1\n");
        assert!(!world.edit("run:1", true, "1", "2").await.is_error);
        assert_eq!(world.content(), "count: 2\n");
    }

    #[tokio::test]
    async fn a_rerun_on_a_file_that_changed_meanwhile_touches_nothing() {
        let world = World::new("count: 1\n");
        assert!(!world.edit("run:1", false, "1", "2").await.is_error);
        world.put("count: 1, by somebody else\n");
        let output = world.edit("run:1", true, "1", "2").await;
        assert!(output.is_error && output.content.contains("changed meanwhile"), "{}", output.content);
        assert_eq!(world.content(), "count: 1, by somebody else\n");
    }

    #[tokio::test]
    async fn records_count_only_for_reruns_and_only_for_their_key() {
        let world = World::new("a");
        assert!(!world.edit("run:1", false, "a", "b").await.is_error);
        assert!(!world.edit("run:2", true, "b", "c").await.is_error);
        assert!(!world.edit("run:2", false, "c", "d").await.is_error);
        assert_eq!(world.content(), "d");
    }

    #[tokio::test]
    async fn concurrent_edits_of_one_file_all_have_their_effect() {
        let world = std::sync::Arc::new(World::new("a b c d e f g h"));
        let mut calls = tokio::task::JoinSet::new();
        for letter in "abcdefgh".chars() {
            let world = world.clone();
            calls.spawn(async move {
                let new = letter.to_uppercase().to_string();
                world.edit(&format!("run:{letter}"), false, &letter.to_string(), &new).await
            });
        }
        for output in calls.join_all().await {
            assert!(!output.is_error, "{}", output.content);
        }
        assert_eq!(world.content(), "A B C D E F G H");
    }

    #[tokio::test]
    async fn refused_edits_change_nothing_and_say_why() {
        let world = World::new("one two two");
        fs::write(world.workspace().join("latin"), b"caf\xe9").unwrap();
        fs::write(world.workspace().join("fixed"), "a").unwrap();
        fs::set_permissions(world.workspace().join("fixed"), fs::Permissions::from_mode(0o444)).unwrap();
        for (arguments, want) in [
            (json!({ "path": "f", "edits": [] }), "`edits` must be"),
            (
                json!({ "path": "f", "edits": "x" }),
                "`edits` must be a list of {oldText, newText}, not a string",
            ),
            (json!({ "path": "f" }), "`edits` is missing"),
            (json!({ "path": "f", "edits": [{ "oldText": "one" }] }), "`edits[0].newText` is missing"),
            (
                json!({ "path": "f", "edits": [{ "oldText": 1, "newText": "" }] }),
                "`edits[0].oldText` must be a string",
            ),
            (json!({ "path": "f", "oldText": "two", "newText": "2" }), "occurs 2 times"),
            (json!({ "path": "none", "oldText": "a", "newText": "b" }), "there is no file `none`"),
            (json!({ "path": "../f", "oldText": "a", "newText": "b" }), "outside the workspace"),
            (json!({ "path": "fixed", "oldText": "a", "newText": "b" }), "is read-only"),
            (json!({ "path": "latin", "oldText": "caf", "newText": "b" }), "is not UTF-8"),
        ] {
            let output = world.call("run:1", false, arguments).await;
            assert!(output.is_error && output.content.contains(want), "{}", output.content);
        }
        assert_eq!(world.content(), "one two two");
        assert!(!world.state().exists());
        let single =
            world.call("run:1", false, json!({ "path": "f", "oldText": "one", "newText": "1" })).await;
        assert_eq!((single, world.content().as_str()), (Output::ok("Made 1 edit in `f`."), "1 two two"));
    }
}
