//! System prompts, from workspace files that are read again only when they may have changed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regrow_agent::{PromptInputs, WORKSPACE_FILES, WorkspaceFile, system_prompt};

use crate::AgentProfile;

/// How long a rendered prompt is used before its files are looked at again.
const FRESH: Duration = Duration::from_secs(1);

/// The most bytes that are read of one file; what the prompt shows is far less.
const READ_BYTES: u64 = 1 << 20;

/// Renders and keeps prompts.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    rendered: Mutex<HashMap<String, Rendered>>,
    /// Each is held while an agent's files are read: of a burst of its runs, one reads them and the others wait for it.
    /// Files that cannot be read for a while stop the runs of no other agent.
    reading: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Clone)]
struct Rendered {
    at: Instant,
    today: String,
    prompt: Arc<str>,
}

impl Prompts {
    /// The system prompt of an agent for a message accepted at `accepted_at` (milliseconds since 1970).
    pub(crate) async fn render(&self, id: &str, agent: &AgentProfile, accepted_at: i64) -> Arc<str> {
        let today = day(agent.timezone.as_deref(), accepted_at);
        if let Some(prompt) = self.fresh(id, &today) {
            return prompt;
        }
        let reading = self.reading(id);
        let _reading = reading.lock().await;
        if let Some(prompt) = self.fresh(id, &today) {
            return prompt;
        }
        let workspace = agent.workspace.clone();
        let files = tokio::task::spawn_blocking(move || read_files(&workspace)).await.unwrap_or_default();
        let prompt: Arc<str> = render(agent, &files, &today).into();
        let rendered = Rendered { at: Instant::now(), today, prompt: Arc::clone(&prompt) };
        self.rendered.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), rendered);
        prompt
    }

    fn reading(&self, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(reading.entry(id.to_owned()).or_default())
    }

    fn fresh(&self, id: &str, today: &str) -> Option<Arc<str>> {
        let rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        let found = rendered.get(id).filter(|r| r.at.elapsed() < FRESH && r.today == today)?;
        Some(Arc::clone(&found.prompt))
    }
}

fn render(agent: &AgentProfile, files: &[WorkspaceFile], today: &str) -> String {
    let tools: Vec<(String, String)> = agent
        .tools
        .specs()
        .map(|spec| {
            let first = spec.description.split_inclusive(". ").next().unwrap_or_default().trim().to_owned();
            (spec.name.clone(), first)
        })
        .collect();
    system_prompt(&PromptInputs {
        agent_name: &agent.name,
        workspace: &agent.workspace.display().to_string(),
        tools: &tools,
        files,
        file_chars: agent.file_chars,
        total_chars: agent.total_chars,
        today,
    })
}

fn read_files(workspace: &Path) -> Vec<WorkspaceFile> {
    WORKSPACE_FILES
        .iter()
        .map(|(name, ..)| WorkspaceFile { name, content: read_bounded(&workspace.join(name)) })
        .collect()
}

fn read_bounded(path: &Path) -> Option<String> {
    use std::io::Read;
    let file = std::fs::File::open(path).ok().filter(|f| f.metadata().is_ok_and(|m| m.is_file()))?;
    let mut bytes = Vec::new();
    file.take(READ_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The day of a moment, such as `2026-03-01, Sunday (Europe/Zurich)`.
fn day(timezone: Option<&str>, at: i64) -> String {
    let zone = timezone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
    let moment = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone);
    moment.strftime("%Y-%m-%d, %A (%Q)").to_string()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use regrow_agent::Limits;
    use regrow_tools::Toolbox;

    use super::*;

    #[tokio::test]
    async fn an_agent_whose_files_cannot_be_read_holds_up_no_other() {
        let workspace = tempfile::tempdir().unwrap();
        let agent = AgentProfile {
            name: "Fern".to_owned(),
            workspace: workspace.path().to_owned(),
            state_dir: workspace.path().to_owned(),
            models: Vec::new(),
            tools: Toolbox::new(Vec::new()),
            limits: Limits { steps: 1, seconds: 1, tokens: 0, attempts: 1 },
            reserve_tokens: 0,
            keep_recent_tokens: 0,
            file_chars: 1_000,
            total_chars: 1_000,
            timezone: None,
        };
        let prompts = Prompts::default();
        let stuck = prompts.reading("stuck");
        let _reads = stuck.lock().await;
        assert!(prompts.render("stuck", &agent, 0).now_or_never().is_none());
        assert!(prompts.render("other", &agent, 0).await.contains("Fern"));
    }

    #[test]
    fn the_day_is_that_of_the_user() {
        let at = 1_772_321_400_000; // 2026-02-28T23:30:00Z
        assert_eq!(day(Some("Europe/Zurich"), at), "2026-03-01, Sunday (Europe/Zurich)");
        assert_eq!(day(Some("UTC"), at), "2026-02-28, Saturday (UTC)");
    }
}
