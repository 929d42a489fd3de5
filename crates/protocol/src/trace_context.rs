//! Where a trace stands: W3C Trace Context, as requests carry it and as it is stored with a message.

use serde::{Deserialize, Serialize};

/// The most bytes of a `tracestate` that are handed on.
const MAX_STATE: usize = 512;

/// The span that comes next has this one as its parent. It is persisted with accepted messages, so that whoever continues a
/// run continues its trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    #[serde(rename = "traceparent")]
    parent: String,
    #[serde(default, rename = "tracestate", skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// A `traceparent` in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// 32 hexadecimal digits, not all zero.
    pub trace_id: &'a str,
    /// 16 hexadecimal digits, not all zero.
    pub span_id: &'a str,
    /// Eight flags; the lowest says that the trace is sampled.
    pub flags: u8,
}

impl TraceContext {
    /// Reads the two headers. Nothing if `traceparent` is malformed: then there is no trace, and a new one may begin. A
    /// `tracestate` that is too long or no visible text is left out.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let TraceParent { trace_id, span_id, flags } = parts(parent.trim())?;
        let visible = |state: &&str| {
            !state.is_empty() && state.len() <= MAX_STATE && state.bytes().all(|b| matches!(b, b' '..=b'~'))
        };
        Some(Self {
            parent: format!("00-{trace_id}-{span_id}-{flags:02x}"),
            state: state.map(str::trim).filter(visible).map(str::to_owned),
        })
    }

    /// The parent's parts; nothing if a newer release stored something that cannot be read here.
    pub fn parent(&self) -> Option<TraceParent<'_>> {
        parts(&self.parent)
    }

    /// What vendors' systems keep of the trace.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Versions after 00 may say more at the end.
fn parts(parent: &str) -> Option<TraceParent<'_>> {
    let mut parts = parent.split('-');
    let mut hex = |digits: usize| parts.next().filter(|part| part.len() == digits && is_hex(part));
    let (version, trace_id, span_id, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let more = parts.next().is_some();
    let is_zero = |id: &str| id.bytes().all(|b| b == b'0');
    if version == "ff" || (version == "00" && more) || is_zero(trace_id) || is_zero(span_id) {
        return None;
    }
    Some(TraceParent { trace_id, span_id, flags: u8::from_str_radix(flags, 16).ok()? })
}

fn is_hex(part: &str) -> bool {
    part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_parent_is_read_and_written() {
        let context = TraceContext::parse(&format!(" {PARENT} "), Some("a=1")).unwrap();
        let parent = context.parent().unwrap();
        assert_eq!(parent.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((parent.span_id, parent.flags), ("b7ad6b7169203331", 1));
        let json = serde_json::to_string(&context).unwrap();
        assert_eq!(json, format!(r#"{{"traceparent":"{PARENT}","tracestate":"a=1"}}"#));
        assert_eq!(serde_json::from_str::<TraceContext>(&json).unwrap(), context);
    }

    #[test]
    fn a_later_version_is_read_as_the_first() {
        let later = PARENT.replacen("00", "01", 1) + "-more";
        assert_eq!(TraceContext::parse(&later, None), TraceContext::parse(PARENT, None));
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        for (from, to) in [
            ("00-0af7", "ff-0af7"),
            ("00-0af7", "0-0af7"),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("0af7", "0AF7"),
            ("-01", ""),
            ("-01", "-0g"),
            ("-01", "-01-more"),
        ] {
            let parent = PARENT.replacen(from, to, 1);
            assert_ne!(parent, PARENT);
            assert_eq!(TraceContext::parse(&parent, None), None, "{parent}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_handed_on_is_left_out() {
        for state in ["", "a=\u{e9}", "a=\nb", &"a".repeat(513)] {
            assert_eq!(TraceContext::parse(PARENT, Some(state)).unwrap().state(), None, "{state}");
        }
    }
}
