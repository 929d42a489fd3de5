//! `read`: the text of a file in the workspace, a bounded window at a time. Binary files are refused.

mod window;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use async_trait::async_trait;
use regrow_protocol::ToolSpec;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::refusal::Refusal;
use crate::workspace::Workspace;
use crate::{Class, Context, Output, Tool, blocking};
use window::{MAX_BYTES, MAX_LINES, Window};

/// The tool.
pub(crate) struct ReadTool {
    spec: ToolSpec,
}

impl ReadTool {
    pub(crate) fn new() -> Self {
        let spec = ToolSpec {
            name: "read".into(),
            description: format!(
                "Reads a text file of the workspace. Returns at most {MAX_LINES} lines or {} KB, and says how to go \
                 on if there is more.",
                MAX_BYTES / 1024
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The file, relative to the workspace." },
                    "offset": { "type": "integer", "minimum": 1, "description": "The line to begin at; the first is 1." },
                    "limit": { "type": "integer", "minimum": 1, "description": "The most lines to return." },
                },
                "required": ["path"],
            }),
            strict: false,
        };
        Self { spec }
    }
}

#[async_trait]
impl Tool for ReadTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn class(&self) -> Class {
        Class::Pure
    }

    async fn call(&self, context: &Context<'_>, arguments: Value) -> Output {
        match Job::new(context, arguments) {
            Ok(job) => blocking::run(move || job.read()).await,
            Err(refusal) => Err(refusal).into(),
        }
    }
}

/// One call, with all that its blocking part needs.
struct Job {
    workspace: PathBuf,
    path: String,
    offset: usize,
    limit: usize,
}

impl Job {
    fn new(context: &Context<'_>, arguments: Value) -> Result<Self, Refusal> {
        let mut arguments = Arguments::new(arguments)?;
        Ok(Self {
            workspace: context.workspace.to_owned(),
            path: arguments.take_text("path")?,
            offset: arguments.count("offset")?.unwrap_or(1),
            limit: arguments.count("limit")?.unwrap_or(MAX_LINES).min(MAX_LINES),
        })
    }

    fn read(&self) -> Result<String, Refusal> {
        let target = Workspace::at(&self.workspace)?.resolve(&self.path)?;
        let (file, length) = target.open()?;
        let mut reader = BufReader::new(file);
        let failed = |error| Refusal::io("read", &target.name, &error);
        if let Some(kind) = binary_kind(reader.fill_buf().map_err(failed)?) {
            return Err(Refusal(format!(
                "`{}` is {kind} ({length} bytes); this tool reads text only",
                target.name
            )));
        }
        let window = Window::read(&mut reader, self.offset, self.limit).map_err(failed)?;
        window.render(&target.name)
    }
}

/// What kind of binary file begins like this; nothing if it looks like text.
fn binary_kind(head: &[u8]) -> Option<&'static str> {
    const IMAGES: [(&[u8], &str); 5] = [
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF87a", "a GIF image"),
        (b"GIF89a", "a GIF image"),
        (b"%PDF-", "a PDF document"),
    ];
    let image = IMAGES.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| *kind);
    let webp = (head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")).then_some("a WebP image");
    image.or(webp).or(head.contains(&0).then_some("a binary file"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::SessionStatus;

    async fn read(workspace: &std::path::Path, arguments: Value) -> Output {
        let status = SessionStatus::default();
        let context =
            Context { workspace, state_dir: workspace, key: "run:1", rerun: false, status: &status };
        ReadTool::new().call(&context, arguments).await
    }

    #[tokio::test]
    async fn reads_windows_of_text() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), "one\ntwo\r\nthree").unwrap();
        fs::write(dir.path().join("empty"), "").unwrap();
        for (arguments, want) in [
            (json!({ "path": "f" }), "one\ntwo\nthree"),
            (json!({ "path": "f", "offset": 3 }), "three"),
            (
                json!({ "path": "f", "offset": 2, "limit": 1 }),
                "two\n[Lines 2 to 2; more follow. Continue with offset=3.]",
            ),
            (json!({ "path": "f", "offset": 2, "limit": 2 }), "two\nthree"),
            (json!({ "path": "empty" }), "[`empty` is empty.]"),
        ] {
            let output = read(dir.path(), arguments.clone()).await;
            assert_eq!(output, Output::ok(want), "{arguments}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path().join("secret"), dir.path().join("leak")).unwrap();
        fs::write(dir.path().join("f"), "one\n").unwrap();
        fs::write(dir.path().join("p.png"), b"\x89PNG\r\n\x1a\nrest").unwrap();
        fs::write(dir.path().join("binary"), b"a\0b").unwrap();
        let mut late = vec![b'x'; 20_000];
        late.push(0);
        fs::write(dir.path().join("late"), late).unwrap();
        for (arguments, want) in [
            (json!({ "path": "leak" }), "outside the workspace"),
            (json!({ "path": "none" }), "there is no file `none`"),
            (json!({ "path": "p.png" }), "`p.png` is a PNG image (12 bytes)"),
            (json!({ "path": "binary" }), "is a binary file (3 bytes)"),
            (json!({ "path": "late" }), "is a binary file"),
            (json!({ "path": "f", "offset": 3 }), "`offset` 3 is past the end: `f` has 1 line"),
            (json!({ "path": "f", "offset": 0 }), "`offset` must be a whole number from 1 up, not 0"),
            (json!({ "path": "f", "limit": "many" }), "`limit` must be a whole number"),
            (json!({}), "`path` is missing"),
        ] {
            let output = read(dir.path(), arguments).await;
            assert!(output.is_error && output.content.contains(want), "{}", output.content);
        }
    }
}
