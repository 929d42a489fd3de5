//! Lays text out: collapses white space, separates blocks, numbers lists, joins links, and stops at a bound.
//!
//! Breaks and marks (`- `, `## `, `| `) wait until there is text for them, so that empty elements leave no trace.

use url::Url;

/// Lists deeper than this are laid out like the deepest.
const MAX_DEPTH: usize = 16;

/// A link with more text than this is one that was never closed; its text is kept, its target is not.
const MAX_LINK_TEXT: usize = 1_000;

/// Addresses longer than this carry data rather than a place.
const MAX_TARGET: usize = 1_000;

/// The most bytes of marks that wait for text.
const MAX_MARKS: usize = 80;

/// Text in the making.
pub(super) struct Writer {
    base: Url,
    out: String,
    max: usize,
    full: bool,
    /// Line breaks due before the next text.
    breaks: usize,
    /// A space is due before the next text.
    space: bool,
    /// What stands before the next text: the mark of an item, a heading or a cell.
    marks: String,
    /// Open `pre` elements; white space counts in them.
    code: usize,
    /// Open lists: the number of the last item, if they are numbered.
    lists: Vec<Option<usize>>,
    /// Open lists beyond `MAX_DEPTH`.
    deeper: usize,
    link: Option<Link>,
    first_cell: bool,
}

struct Link {
    target: String,
    text: String,
}

impl Writer {
    /// Writes at most `max` bytes; links are relative to `base`.
    pub(super) fn new(base: &Url, max: usize) -> Self {
        Self {
            base: base.clone(),
            out: String::new(),
            max,
            full: false,
            breaks: 0,
            space: false,
            marks: String::new(),
            code: 0,
            lists: Vec::new(),
            deeper: 0,
            link: None,
            first_cell: true,
        }
    }

    /// Nothing more will be written.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty() && self.link.is_none()
    }

    /// The text, and whether some of it found no room.
    pub(super) fn finish(mut self) -> (String, bool) {
        self.end_link();
        while self.code > 0 {
            self.end_code();
        }
        self.out.truncate(self.out.trim_end().len());
        (self.out, self.full)
    }

    /// Adds text of the page.
    pub(super) fn text(&mut self, text: &str) {
        if let Some(link) = &mut self.link {
            link.text.push_str(text);
            if link.text.len() > MAX_LINK_TEXT {
                let text = std::mem::take(&mut link.text);
                self.link = None;
                self.text(&text);
            }
        } else if self.code > 0 {
            let text =
                if self.out.ends_with("```\n") { text.strip_prefix('\n').unwrap_or(text) } else { text };
            self.push(text);
        } else {
            self.words(text);
        }
    }

    /// Begins a new line.
    pub(super) fn line(&mut self) {
        self.separate(1);
    }

    /// Begins a new block, with an empty line before it.
    pub(super) fn block(&mut self) {
        self.separate(2);
    }

    /// Ends a block whose mark, if nothing followed it, is dropped.
    pub(super) fn end_block(&mut self) {
        self.marks.clear();
        self.block();
    }

    /// Begins a heading, unless it is part of a link.
    pub(super) fn heading(&mut self, level: usize) {
        self.block();
        if self.link.is_none() {
            self.mark(&format!("{} ", "#".repeat(level)));
        }
    }

    /// A line across.
    pub(super) fn rule(&mut self) {
        self.block();
        self.text("---");
        self.block();
    }

    /// Begins a list.
    pub(super) fn start_list(&mut self, numbered: bool) {
        if self.lists.is_empty() {
            self.block();
        }
        if self.lists.len() < MAX_DEPTH {
            self.lists.push(numbered.then_some(0));
        } else {
            self.deeper += 1;
        }
    }

    /// Ends the innermost list.
    pub(super) fn end_list(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.lists.pop();
        }
        self.marks.clear();
        self.separate(if self.lists.is_empty() { 2 } else { 1 });
    }

    /// Begins an item of the innermost list.
    pub(super) fn item(&mut self) {
        self.line();
        self.marks.clear();
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{indent}{number}. ")
            }
            _ => format!("{indent}- "),
        };
        self.mark(&mark);
    }

    /// Begins a row of a table.
    pub(super) fn row(&mut self) {
        self.line();
        self.marks.clear();
        self.first_cell = true;
    }

    /// Begins a cell.
    pub(super) fn cell(&mut self) {
        if !self.first_cell {
            self.space = true;
            self.mark("| ");
        }
        self.first_cell = false;
    }

    /// Begins preformatted text.
    pub(super) fn start_code(&mut self) {
        self.end_link();
        if self.code == 0 {
            self.block();
            self.settle();
            self.push("```\n");
        }
        self.code += 1;
    }

    /// Ends preformatted text.
    pub(super) fn end_code(&mut self) {
        self.code = self.code.saturating_sub(1);
        if self.code == 0 && !self.out.is_empty() {
            if !self.out.ends_with('\n') {
                self.push("\n");
            }
            self.push("```");
            self.block();
        }
    }

    /// The mark around code within text.
    pub(super) fn tick(&mut self) {
        if self.code == 0 {
            self.text("`");
        }
    }

    /// Begins a link, if `href` is one to another web page.
    pub(super) fn start_link(&mut self, href: &str) {
        self.end_link();
        if self.code > 0 || self.full || href.is_empty() || href.starts_with('#') || href.len() > MAX_TARGET {
            return;
        }
        if let Ok(url) = self.base.join(href)
            && matches!(url.scheme(), "http" | "https")
        {
            self.link = Some(Link { target: url.into(), text: String::new() });
        }
    }

    /// Ends the link, if there is one.
    pub(super) fn end_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        let words: Vec<&str> = link.text.split_whitespace().collect();
        self.space |= link.text.starts_with(char::is_whitespace);
        if !words.is_empty() {
            self.settle();
            self.push(&format!("[{}]({})", words.join(" "), link.target));
        }
        self.space |= link.text.ends_with(char::is_whitespace);
    }

    /// Text with its white space collapsed.
    fn words(&mut self, text: &str) {
        for part in text.split_inclusive(char::is_whitespace) {
            let word = part.trim_end();
            if !word.is_empty() {
                self.settle();
                self.push(word);
            }
            self.space |= word.len() < part.len();
        }
    }

    fn separate(&mut self, breaks: usize) {
        match &mut self.link {
            Some(link) => link.text.push(' '),
            None if self.code > 0 => {}
            None => self.breaks = self.breaks.max(breaks),
        }
    }

    fn mark(&mut self, mark: &str) {
        if self.marks.len() + mark.len() <= MAX_MARKS {
            self.marks.push_str(mark);
        }
    }

    /// Writes the breaks, the space and the marks that are due, because text follows.
    fn settle(&mut self) {
        let breaks = std::mem::take(&mut self.breaks);
        let space = std::mem::take(&mut self.space);
        if !self.out.is_empty() {
            match breaks {
                0 if space => self.push(" "),
                0 => {}
                1 => self.push("\n"),
                _ => self.push("\n\n"),
            }
        }
        let marks = std::mem::take(&mut self.marks);
        self.push(&marks);
    }

    fn push(&mut self, text: &str) {
        if self.full || self.out.len() + text.len() > self.max {
            self.full |= !text.is_empty();
            return;
        }
        self.out.push_str(text);
    }
}
