//! Files of the configuration: reading them, and `$include`.
//!
//! An included file must lie inside the directory of the root file or one of `OPENCLAW_INCLUDE_ROOTS`, symbolic links
//! resolved. Bounded: `MAX_LEVELS` deep, `MAX_FILES` in all, each within the parser's limit. Included objects are
//! merged in order and the keys beside `$include` win; arrays are joined.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::json5;
use super::normalise::refuse_duplicates;
use super::problem::Report;
use super::tree::{KeyPath, Member, Node, Span, Value};

/// How deep includes may lead.
const MAX_LEVELS: usize = 10;

/// How many files may be included in all, repetitions counted: a bound for lists of lists.
const MAX_FILES: usize = 256;

/// Reads files into one tree.
pub(super) struct Includes<'a> {
    report: &'a mut Report,
    /// Directories that included files must lie in, links resolved.
    roots: Vec<PathBuf>,
    /// The files that are being read: as named, and with links resolved.
    open: Vec<(PathBuf, PathBuf)>,
    count: usize,
}

/// Reads the root file with everything it includes; nothing if it cannot be read at all.
pub(super) fn read(root: &Path, extra_roots: Option<&str>, report: &mut Report) -> Option<Node> {
    let base = super::secret::base_of(Some(root));
    let extra = extra_roots.map(|list| std::env::split_paths(list).collect::<Vec<_>>()).unwrap_or_default();
    let roots = std::iter::once(base).chain(extra.into_iter().filter(|root| root.is_absolute()));
    let roots = roots.filter_map(|root| root.canonicalize().ok()).collect();
    let mut includes = Includes { report, roots, open: Vec::new(), count: 0 };
    let resolved = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    includes.file(root.to_owned(), resolved, None, &KeyPath::default())
}

impl Includes<'_> {
    /// The tree of one file; problems with the file itself are at `at`, the place that names it.
    fn file(&mut self, path: PathBuf, resolved: PathBuf, at: Option<Span>, key: &KeyPath) -> Option<Node> {
        self.report.watch(&path);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(message) => {
                self.report.problem(at, key, message);
                return None;
            }
        };
        let source = self.report.add_file(path.display().to_string(), text);
        let mut node = match json5::parse(self.report.text_of(source), source) {
            Ok(node) => node,
            Err(error) => {
                self.report.syntax_problem(Span { source, offset: error.offset }, error.message);
                return None;
            }
        };
        refuse_duplicates(&mut node, key, self.report);
        self.open.push((path, resolved));
        self.expand(&mut node, key);
        self.open.pop();
        Some(node)
    }

    /// Replaces every `$include` below `node`.
    fn expand(&mut self, node: &mut Node, key: &KeyPath) {
        match &mut node.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.expand(item, &key.with_index(index));
                }
            }
            Value::Map(members) => {
                let include = members.iter().position(|member| member.key == "$include");
                let include = include.map(|index| members.remove(index));
                for member in members.iter_mut() {
                    self.expand(&mut member.node, &key.with_key(&member.key));
                }
                if let Some(include) = include {
                    self.include(node, &include.node, key);
                }
            }
            _ => {}
        }
    }

    /// Puts the files that `include` names under `node`, whose own keys win.
    fn include(&mut self, node: &mut Node, include: &Node, key: &KeyPath) {
        let names = match &include.value {
            Value::Text(_) => std::slice::from_ref(include),
            Value::List(items) if !items.is_empty() && items.iter().all(|item| item.text().is_some()) => {
                items
            }
            _ => {
                let message = "`$include` takes a file name or an array of them";
                return self.report.problem(Some(include.at), key, message);
            }
        };
        let parts: Vec<Node> = names.iter().filter_map(|name| self.named(name, key)).collect();
        let Some(included) = parts.into_iter().reduce(merge) else { return };
        let is_alone = matches!(&node.value, Value::Map(members) if members.is_empty());
        if is_alone {
            *node = included;
        } else if matches!(included.value, Value::Map(_)) {
            let own = Node::new(node.at, std::mem::replace(&mut node.value, Value::Null));
            *node = merge(included, own);
        } else {
            let message = "the included file must hold an object, because there are keys beside `$include`";
            self.report.problem(Some(include.at), key, message);
        }
    }

    fn named(&mut self, name: &Node, key: &KeyPath) -> Option<Node> {
        match self.locate(name.text().unwrap_or_default()) {
            Ok((path, resolved)) => self.file(path, resolved, Some(name.at), key),
            Err(message) => {
                self.report.problem(Some(name.at), key, message);
                None
            }
        }
    }

    /// The file of an include, if it may be read.
    fn locate(&mut self, name: &str) -> Result<(PathBuf, PathBuf), String> {
        self.count += 1;
        if self.open.len() > MAX_LEVELS {
            return Err(format!(
                "includes lead more than {MAX_LEVELS} levels deep; include fewer files from files"
            ));
        }
        if self.count > MAX_FILES {
            return Err(format!("more than {MAX_FILES} files are included; include fewer"));
        }
        let including = self.open.last().map(|(path, _)| path.as_path());
        let path = super::secret::base_of(including).join(name);
        let resolved = path.canonicalize().map_err(|error| {
            self.report.watch(&path);
            format!("cannot read {}: {error}", path.display())
        })?;
        if !self.roots.iter().any(|root| resolved.starts_with(root)) {
            return Err(format!(
                "{} is outside of the configuration's directory; move it there or name its directory in OPENCLAW_INCLUDE_ROOTS",
                path.display()
            ));
        }
        if self.open.iter().any(|(_, open)| *open == resolved) {
            return Err(format!("{} includes itself, directly or through others", path.display()));
        }
        Ok((path, resolved))
    }
}

/// Reads at most the parser's limit and one byte, so that a huge or endless file cannot fill the memory.
fn read_text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{shown} is not a regular file"));
    }
    let mut bytes = Vec::new();
    let limit = json5::MAX_BYTES as u64 + 1;
    std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > json5::MAX_BYTES {
        return Err(format!("{shown} has more than {} bytes; split it with `$include`", json5::MAX_BYTES));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("cannot read {shown}: it is not UTF-8 text (line {line}); save it as UTF-8")
    })
}

/// Both values: keys and items of both, and where they collide, the one from `over`.
fn merge(base: Node, over: Node) -> Node {
    let value = match (base.value, over.value) {
        (Value::Map(below), Value::Map(above)) => Value::Map(merge_members(below, above)),
        (Value::List(below), Value::List(above)) => Value::List(below.into_iter().chain(above).collect()),
        (_, value) => value,
    };
    Node::new(over.at, value)
}

fn merge_members(below: Vec<Member>, above: Vec<Member>) -> Vec<Member> {
    let mut merged: Vec<Option<Member>> = below.into_iter().map(Some).collect();
    let index: HashMap<String, usize> =
        merged.iter().flatten().enumerate().map(|(index, member)| (member.key.clone(), index)).collect();
    for member in above {
        match index.get(&member.key).and_then(|index| merged.get_mut(*index)) {
            Some(slot) => {
                let node = match slot.take() {
                    Some(below) => merge(below.node, member.node),
                    None => member.node,
                };
                *slot = Some(Member { key: member.key, key_at: member.key_at, node });
            }
            None => merged.push(Some(member)),
        }
    }
    merged.into_iter().flatten().collect()
}
