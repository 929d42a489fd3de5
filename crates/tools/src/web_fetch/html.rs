//! Turns HTML into readable text in the manner of Markdown: title, headings, lists, links, code; no scripts or styles.
//!
//! It works on the stream of tags, without a tree. Pages are hostile: on a tree, tags nested a hundred thousand deep
//! end the process or take minutes. Here time grows with the page's length, memory stays within the bound of the
//! output, and broken nesting costs at most some layout.

mod writer;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use html5ever::LocalName;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use url::Url;

use writer::Writer;

/// Bytes that are handed to the tokenizer at once.
const PIECE: usize = 4 * 1024;

/// How long a page may take. Tens of milliseconds are usual; only a tag with tens of thousands of attributes, each of
/// which is compared with all others, comes near.
const MAX_TIME: Duration = Duration::from_secs(2);

/// The text of a page found at `base`, at most `max_bytes` of it, and whether some was left out.
pub(super) fn to_markdown(html: &str, base: &Url, max_bytes: usize) -> (String, bool) {
    let page = Page { state: RefCell::new(State { writer: Writer::new(base, max_bytes), hidden: None }) };
    let tokenizer = Tokenizer::new(page, TokenizerOpts::default());
    let queue = BufferQueue::default();
    let begun = Instant::now();
    let mut late = false;
    for piece in pieces(html) {
        late = begun.elapsed() > MAX_TIME;
        if late || tokenizer.sink.state.borrow().writer.is_full() {
            break;
        }
        queue.push_back(StrTendril::from_slice(piece));
        // It stops in the middle only for scripts and encodings, and this sink asks for neither.
        let _ = tokenizer.feed(&queue);
    }
    tokenizer.end();
    let (text, full) = tokenizer.sink.state.into_inner().writer.finish();
    (text, full || late)
}

/// `text` in pieces of about `PIECE` bytes, divided between characters.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Receives the tags of a page.
struct Page {
    state: RefCell<State>,
}

struct State {
    writer: Writer,
    /// The element whose content is left out, and how many of its kind are open.
    hidden: Option<(LocalName, usize)>,
}

impl TokenSink for Page {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        match token {
            Token::CharacterTokens(text) if state.hidden.is_none() => state.writer.text(&text),
            Token::TagToken(tag) => {
                state.tag(&tag);
                return content_of(&tag);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn tag(&mut self, tag: &Tag) {
        if let Some((name, open)) = &mut self.hidden {
            match tag.kind {
                _ if *name != tag.name => {}
                TagKind::StartTag if !tag.self_closing => *open += 1,
                TagKind::StartTag => {}
                TagKind::EndTag => *open -= 1,
            }
            if *open == 0 {
                self.hidden = None;
            }
            return;
        }
        match tag.kind {
            TagKind::StartTag if self.hides(tag) => self.hidden = Some((tag.name.clone(), 1)),
            TagKind::StartTag => self.start(tag),
            TagKind::EndTag => self.end(&tag.name),
        }
    }

    /// Whether what is in this element is nothing to read. A second title is one inside a picture.
    fn hides(&self, tag: &Tag) -> bool {
        match &*tag.name {
            "script" | "style" => true,
            "noscript" | "template" | "svg" | "iframe" | "noframes" | "noembed" => !tag.self_closing,
            "title" => !self.writer.is_empty(),
            _ => false,
        }
    }

    fn start(&mut self, tag: &Tag) {
        let writer = &mut self.writer;
        match &*tag.name {
            "title" => writer.heading(1),
            name if heading_level(name).is_some() => writer.heading(heading_level(name).unwrap_or(1)),
            "a" => writer.start_link(attribute(tag, "href").unwrap_or_default()),
            "img" => match attribute(tag, "alt").map(str::trim) {
                Some(alt) if !alt.is_empty() => writer.text(&format!("[image: {alt}]")),
                _ => {}
            },
            "ul" | "menu" => writer.start_list(false),
            "ol" => writer.start_list(true),
            "li" => writer.item(),
            "pre" => writer.start_code(),
            "code" => writer.tick(),
            "tr" => writer.row(),
            "td" | "th" => writer.cell(),
            "br" => writer.line(),
            "hr" => writer.rule(),
            name if is_line(name) => writer.line(),
            name if is_block(name) => writer.block(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        let writer = &mut self.writer;
        match name {
            "a" => writer.end_link(),
            "ul" | "ol" | "menu" => writer.end_list(),
            "pre" => writer.end_code(),
            "code" => writer.tick(),
            "title" | "table" => writer.end_block(),
            name if heading_level(name).is_some() => writer.end_block(),
            name if is_line(name) => writer.line(),
            name if is_block(name) => writer.block(),
            _ => {}
        }
    }
}

/// Tells the tokenizer how to read what is in an element: most of it is HTML, some is not.
fn content_of(tag: &Tag) -> TokenSinkResult<()> {
    if tag.kind == TagKind::EndTag {
        return TokenSinkResult::Continue;
    }
    match &*tag.name {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

fn heading_level(name: &str) -> Option<usize> {
    ["h1", "h2", "h3", "h4", "h5", "h6"].iter().position(|heading| *heading == name).map(|index| index + 1)
}

/// Elements that stand on a line of their own.
fn is_line(name: &str) -> bool {
    matches!(name, "div" | "dt" | "dd" | "option" | "caption" | "summary" | "legend" | "li" | "tr")
}

/// Elements with an empty line before and after.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "section"
            | "article"
            | "main"
            | "header"
            | "footer"
            | "nav"
            | "aside"
            | "blockquote"
            | "table"
            | "figure"
            | "figcaption"
            | "form"
            | "fieldset"
            | "details"
            | "dl"
            | "address"
            | "body"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(html: &str) -> String {
        let base = Url::parse("https://example.com/docs/page").unwrap();
        to_markdown(html, &base, 1_000_000).0
    }

    #[test]
    fn pages_become_markdown() {
        for (html, want) in [
            (
                "<!doctype html><html><head><title>A &amp; B</title><style>p { x: '<p>' }</style></head><body>\n<h2>One\n \
                 two</h2><p>First <b>bold</b>\n  text.</p><p>Second.<script>if (a < b) document.write('</p>')</script></p>",
                "# A & B\n\n## One two\n\nFirst bold text.\n\nSecond.",
            ),
            (
                "see <a href='../x?a=1&amp;b=2'>the <i>docs</i></a>, <a href=\"#top\">top</a> and <a href='javascript:x()'>me</a>.",
                "see [the docs](https://example.com/x?a=1&b=2), top and me.",
            ),
            ("<a href=/a>one<a href=/b>two</a>", "[one](https://example.com/a)[two](https://example.com/b)"),
            ("a <a href=/x> b </a> c<a href=/y></a>", "a [b](https://example.com/x) c"),
            ("<a href=/card><div>Card</div><p>text</a>", "[Card text](https://example.com/card)"),
            (
                "<ul><li>one<li><p>two</p><ol><li>x</li><li></li><li>y</li></ol></ul>after",
                "- one\n\n- two\n\n  1. x\n  3. y\n\nafter",
            ),
            (
                "<pre>\n  let a;\n\n  b &lt; c\n</pre>then <code>x</code>",
                "```\n  let a;\n\n  b < c\n```\n\nthen `x`",
            ),
            ("<table><tr><th>k<th>v</tr><tr><td>a<td>1<td></tr></table>end", "k | v\na | 1\n\nend"),
            ("a<br>b<hr>c<div>d</div>e", "a\nb\n\n---\n\nc\nd\ne"),
            ("<img alt='a cat' src=x><img src=y>", "[image: a cat]"),
            ("x<svg><title>icon</title><path/></svg>y<template><p>z</template><noscript>n</noscript>", "xy"),
            ("x&nbsp;y &eacute;&#x41;&notin;&bogus;", "x y éA∉&bogus;"),
            ("<textarea><b>raw</b></textarea>", "<b>raw</b>"),
            ("plain < text", "plain < text"),
            ("", ""),
        ] {
            assert_eq!(markdown(html), want, "{html}");
        }
    }

    #[test]
    fn output_is_bounded_even_if_links_make_it_grow() {
        let base = Url::parse(&format!("https://example.com/{}/", "long".repeat(1_000))).unwrap();
        let (text, full) = to_markdown(&"<a href=x>y</a>".repeat(50_000), &base, 100_000);
        assert!(full && text.len() <= 100_000, "{}", text.len());
        let (text, full) = to_markdown("<p>short</p>", &base, 100_000);
        assert_eq!((text.as_str(), full), ("short", false));
    }

    #[test]
    fn hostile_nesting_is_harmless() {
        for tag in ["div", "b", "ul><li", "ol", "table><tr><td", "a href=x", "pre", "svg", "h1", "blockquote"]
        {
            let html = format!("start{}end", format!("<{tag}>").repeat(100_000));
            let base = Url::parse("https://example.com/").unwrap();
            let (text, _) = to_markdown(&html, &base, 200_000);
            assert!(text.starts_with("start") && text.len() <= 200_000, "{tag}");
        }
    }

    #[test]
    fn a_tag_of_countless_attributes_ends_in_time() {
        let attributes: String = (0..200_000).map(|n| format!(" a{n}")).collect();
        let begun = Instant::now();
        markdown(&format!("before<p{attributes}>after"));
        assert!(begun.elapsed() < 10 * MAX_TIME, "{:?}", begun.elapsed());
    }
}
