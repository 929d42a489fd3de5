//! Problems of a configuration: where, what, and what to do.
//!
//! Invariant: a message never contains a secret. Values are quoted only where the schema lists the possible ones, and
//! the snippet of a syntax error shows keys and punctuation, with everything that could be a value masked.

use std::fmt;
use std::path::Path;

use super::tree::{KeyPath, Span};
use super::watched::Watched;

/// The most problems (and the most warnings) that are kept; a file with more is broken in one way many times.
const MAX_KEPT: usize = 100;

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file or variable.
    pub origin: Origin,
    /// The key, such as `models.providers.fake.api`; empty for the whole document.
    pub key: String,
}

/// What a value was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file; line and column count from 1, columns in characters.
    File {
        /// The path as it was given, or as the including file leads to it.
        path: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// Nothing was written: a default, or a combination of defaults.
    Default,
}

/// One thing that is wrong (or, as a warning, doubtful), and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub message: String,
    /// For syntax errors: the line with its values masked, and a caret below the column.
    pub snippet: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place.origin {
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}: ")?,
            Origin::Variable(name) => write!(f, "${name}: ")?,
            Origin::Default => {}
        }
        if !self.place.key.is_empty() {
            write!(f, "{}: ", self.place.key)?;
        }
        f.write_str(&self.message)
    }
}

/// All problems for a terminal: one per line, syntax errors with their line and a caret.
pub fn render(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("{problem}\n"));
        if let Some(snippet) = &problem.snippet {
            text.push_str(&format!("{snippet}\n"));
        }
    }
    text
}

/// Something that values were read from.
struct Source {
    name: String,
    /// The text of a file; nothing for an environment variable.
    text: Option<String>,
}

/// A problem with what the stages need to know about it.
struct Found {
    at: Option<Span>,
    path: KeyPath,
    problem: Problem,
}

impl Found {
    /// By file and position; what was written nowhere comes last.
    fn position(&self) -> (usize, usize) {
        self.at.map_or((usize::MAX, 0), |at| (at.source, at.offset))
    }
}

/// Collects sources, problems and warnings over all stages of a load.
#[derive(Default)]
pub(super) struct Report {
    sources: Vec<Source>,
    /// Files that were read or looked for.
    pub(super) files: Vec<Watched>,
    problems: Vec<Found>,
    warnings: Vec<Found>,
    /// There were more problems than are kept.
    is_full: bool,
}

impl Report {
    /// Remembers a file; the answer goes into the spans of its values.
    pub(super) fn add_file(&mut self, name: String, text: String) -> usize {
        self.sources.push(Source { name, text: Some(text) });
        self.sources.len() - 1
    }

    /// Remembers a file that is about to be read.
    pub(super) fn watch(&mut self, path: &Path) {
        self.files.push(Watched::look(path));
    }

    /// Remembers an environment variable.
    pub(super) fn add_variable(&mut self, name: &str) -> Span {
        self.sources.push(Source { name: name.to_owned(), text: None });
        Span { source: self.sources.len() - 1, offset: 0 }
    }

    pub(super) fn text_of(&self, source: usize) -> &str {
        self.sources.get(source).and_then(|source| source.text.as_deref()).unwrap_or_default()
    }

    pub(super) fn problem(&mut self, at: Option<Span>, path: &KeyPath, message: impl Into<String>) {
        self.problem_with(at, path, message.into(), None);
    }

    /// A problem at a byte of a file that shows the line.
    pub(super) fn syntax_problem(&mut self, at: Span, message: String) {
        let snippet = super::snippet::masked_line(self.text_of(at.source), at.offset);
        self.problem_with(Some(at), &KeyPath::default(), message, Some(snippet));
    }

    fn problem_with(&mut self, at: Option<Span>, path: &KeyPath, message: String, snippet: Option<String>) {
        if self.problems.len() == MAX_KEPT {
            self.is_full = true;
            return;
        }
        let place = Place { origin: self.origin(at), key: path.to_string() };
        self.problems.push(Found { at, path: path.clone(), problem: Problem { place, message, snippet } });
    }

    pub(super) fn warn(&mut self, at: Option<Span>, path: &KeyPath, message: impl Into<String>) {
        if self.warnings.len() < MAX_KEPT {
            let place = Place { origin: self.origin(at), key: path.to_string() };
            let problem = Problem { place, message: message.into(), snippet: None };
            self.warnings.push(Found { at, path: path.clone(), problem });
        }
    }

    /// Whether further problems are only counted, so that hints for them are not worth their cost.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() == MAX_KEPT
    }

    /// Whether nothing at or below this key has a problem, so that checks on top of it mean something.
    pub(super) fn is_sound(&self, keys: &[&str]) -> bool {
        let prefix = KeyPath::of(keys);
        !self
            .problems
            .iter()
            .any(|Found { path, .. }| path.0.starts_with(&prefix.0) || prefix.0.starts_with(&path.0))
    }

    /// Everything found: problems if there are any, else the warnings; each in the order of the files.
    pub(super) fn finish(self) -> Result<Vec<Problem>, Vec<Problem>> {
        let is_full = self.is_full;
        match self.problems.is_empty() {
            true => Ok(in_order(self.warnings)),
            false => Err(in_order(self.problems).into_iter().chain(is_full.then(overflow)).collect()),
        }
    }

    fn origin(&self, at: Option<Span>) -> Origin {
        let Some((at, source)) = at.and_then(|at| Some((at, self.sources.get(at.source)?))) else {
            return Origin::Default;
        };
        match &source.text {
            None => Origin::Variable(source.name.clone()),
            Some(text) => {
                let before = text.get(..at.offset).unwrap_or(text);
                let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
                Origin::File {
                    path: source.name.clone(),
                    line: before.matches('\n').count() + 1,
                    column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
                }
            }
        }
    }
}

fn in_order(mut found: Vec<Found>) -> Vec<Problem> {
    found.sort_by_key(Found::position);
    found.into_iter().map(|found| found.problem).collect()
}

/// Stands for the problems that were not kept.
fn overflow() -> Problem {
    let place = Place { origin: Origin::Default, key: String::new() };
    let message = format!("more than {MAX_KEPT} problems; the others are not shown");
    Problem { place, message, snippet: None }
}
