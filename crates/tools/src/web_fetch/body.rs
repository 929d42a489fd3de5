//! What a body is, by its declared type, and its text for the model.

use reqwest::StatusCode;

use super::exchange::Reply;
use super::html;
use crate::refusal::Refusal;

/// Types outside `text/` that are text.
const TEXT_TYPES: [&str; 9] = [
    "application/json",
    "application/ld+json",
    "application/xml",
    "application/javascript",
    "application/ecmascript",
    "application/x-javascript",
    "application/x-ndjson",
    "application/yaml",
    "application/x-yaml",
];

/// How far into a body without a type its kind is looked for.
const SNIFF_LEN: usize = 1024;

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Html,
    Text,
    /// No type was declared; the body must tell.
    Undeclared,
    Binary,
}

/// Refuses a body that is not text by its declared type, before it is read.
pub(super) fn check_type(status: StatusCode, content_type: &str, length: Option<u64>) -> Result<(), Refusal> {
    if kind(content_type) != Kind::Binary {
        return Ok(());
    }
    let size = length.map_or("of unknown size".to_owned(), |bytes| format!("{bytes} bytes"));
    // The header is a stranger's text too.
    let shown: String = essence(content_type).chars().take(100).collect();
    Err(Refusal(format!(
        "the server answered {} with `{shown}` ({size}); only HTML, JSON and other text can be fetched",
        status.as_u16()
    )))
}

/// The text of a body, at most `max_chars` characters of it, and whether some was left out.
pub(super) fn readable(reply: &Reply, max_chars: usize) -> (String, bool) {
    let is_html = match kind(&reply.content_type) {
        Kind::Html => true,
        Kind::Text | Kind::Binary => false,
        Kind::Undeclared => looks_like_html(&reply.body),
    };
    if !is_html && reply.body.contains(&0) {
        return ("[The body is not text.]".into(), false);
    }
    let text = decode(&reply.body, &reply.content_type);
    // No character has more than four bytes, so this many are enough.
    let max_bytes = max_chars.saturating_mul(4);
    let (text, full) = if is_html { html::to_markdown(&text, &reply.url, max_bytes) } else { (text, false) };
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => (text[..end].to_owned(), true),
        None => (text, full),
    }
}

fn kind(content_type: &str) -> Kind {
    match essence(content_type).as_str() {
        "" => Kind::Undeclared,
        "text/html" | "application/xhtml+xml" => Kind::Html,
        essence if essence.starts_with("text/") || TEXT_TYPES.contains(&essence) => Kind::Text,
        // Images in SVG are XML, but nothing to read.
        "image/svg+xml" => Kind::Binary,
        essence if essence.ends_with("+json") || essence.ends_with("+xml") => Kind::Text,
        _ => Kind::Binary,
    }
}

/// The type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn looks_like_html(body: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&body[..body.len().min(SNIFF_LEN)]).to_ascii_lowercase();
    let head = head.trim_start_matches('\u{feff}').trim_start();
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|start| head.starts_with(start))
}

/// The body as text: Latin-1 if it is declared so, else UTF-8 with marks where it is not.
fn decode(body: &[u8], content_type: &str) -> String {
    let content_type = content_type.to_ascii_lowercase().replace('"', "");
    if content_type.contains("charset=iso-8859-1") || content_type.contains("charset=latin1") {
        return body.iter().map(|byte| char::from(*byte)).collect();
    }
    String::from_utf8_lossy(body).trim_start_matches('\u{feff}').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_text_or_refused() {
        for (content_type, want) in [
            ("text/html; charset=utf-8", Kind::Html),
            ("Application/XHTML+xml", Kind::Html),
            ("text/plain", Kind::Text),
            ("text/csv;header=present", Kind::Text),
            ("application/json", Kind::Text),
            ("application/problem+json", Kind::Text),
            ("application/rss+xml", Kind::Text),
            ("image/svg+xml", Kind::Binary),
            ("image/png", Kind::Binary),
            ("application/octet-stream", Kind::Binary),
            ("application/pdf", Kind::Binary),
            ("", Kind::Undeclared),
        ] {
            assert_eq!(kind(content_type), want, "{content_type}");
        }
        let Refusal(sentence) = check_type(StatusCode::OK, "image/png", Some(12)).unwrap_err();
        assert!(sentence.contains("`image/png` (12 bytes)"), "{sentence}");
        let Refusal(sentence) = check_type(StatusCode::OK, "video/mp4", None).unwrap_err();
        assert!(sentence.contains("of unknown size"), "{sentence}");
    }

    #[test]
    fn bodies_become_text() {
        for (content_type, body, max_chars, want) in [
            ("application/json", &b"{\"a\":1}"[..], 100, ("{\"a\":1}", false)),
            ("text/plain", "äöü".as_bytes(), 2, ("äö", true)),
            ("text/plain; charset=\"ISO-8859-1\"", b"caf\xe9", 100, ("café", false)),
            ("text/plain", b"caf\xe9", 100, ("caf\u{fffd}", false)),
            ("text/plain", b"a\0b", 100, ("[The body is not text.]", false)),
            ("", b"\n<!DOCTYPE html><p>hi</p>", 100, ("hi", false)),
            ("", b"a < b", 100, ("a < b", false)),
            ("text/html", b"<p>hello</p>", 2, ("he", true)),
        ] {
            let reply = Reply {
                url: "http://example.com/".parse().unwrap(),
                status: StatusCode::OK,
                content_type: content_type.into(),
                body: body.to_vec(),
                truncated: false,
            };
            let (text, shortened) = readable(&reply, max_chars);
            assert_eq!((text.trim(), shortened), want, "{content_type}");
        }
    }
}
