//! Directives: the script of the model server, written by a test into a user message.
//!
//! A directive stands in double square brackets and holds words, `key=value` or a bare key:
//! `[[id=m1 tokens=20 delay_ms=40 first_ms=200]]`, `[[tool=read args={"path":"x"}]]`. Several may stand in one message;
//! tools add up, of everything else the last one counts. An unknown word is an error, so that a misspelt script fails
//! loudly instead of testing nothing.

use std::time::Duration;

use serde_json::value::RawValue;

/// What one user message asks of the model server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directives {
    /// The message's name in calls, counts and answers.
    pub(super) id: Option<String>,
    /// At least this many streamed tokens.
    pub(super) tokens: usize,
    /// Time before the first byte of the response.
    pub(super) first: Duration,
    /// Time between two tokens.
    pub(super) delay: Duration,
    /// Tools to call, in order.
    pub(super) tools: Vec<ToolDirective>,
    /// How many rounds of tool calls are made before the text answer; 0 means one.
    pub(super) rounds: usize,
    /// Call tools even if the request does not offer them.
    pub(super) force: bool,
    /// Each call of this id has an answer of its own, as a real model's would.
    pub(super) vary: bool,
    /// So many first calls of this id are refused.
    pub(super) fail: u32,
    /// The status of refused calls; 0 means 500.
    pub(super) status: u16,
    /// `Retry-After` of refused calls, in seconds.
    pub(super) retry_after: Option<u32>,
    /// So many calls of this id, after the refused ones, are cut off.
    pub(super) cut: u32,
    /// So many calls of this id, after the cut ones, never end; all of them with a bare `hang`.
    pub(super) hang: u32,
    /// After how many tokens to cut (half of them by default) or to hang (before the first byte by default).
    pub(super) after: Option<usize>,
}

/// One tool call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolDirective {
    /// The tool's name.
    pub(super) name: String,
    /// Its arguments as JSON text, verbatim.
    pub(super) args: String,
}

impl Directives {
    /// Reads all directives of `text`. The error says which word was not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let mut rest = text;
        while let Some(start) = rest.find("[[") {
            rest = found.read_block(&rest[start + 2..])?;
        }
        let counts_calls =
            found.vary || found.fail > 0 || found.cut > 0 || (found.hang > 0 && found.hang < u32::MAX);
        if counts_calls && found.id.is_none() {
            return Err("`vary`, `fail`, `cut` and `hang=n` count the calls of an id: give an id".into());
        }
        Ok(found)
    }

    /// Reads the words up to `]]` and returns what follows it.
    fn read_block<'a>(&mut self, mut rest: &'a str) -> Result<&'a str, String> {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("]]") {
                return Ok(after);
            }
            if let Some(json) = rest.strip_prefix("args=") {
                rest = self.read_args(json)?;
                continue;
            }
            let end = word_end(rest).ok_or("a directive has no closing `]]`")?;
            self.read_word(&rest[..end])?;
            rest = &rest[end..];
        }
    }

    /// Reads the JSON arguments of the latest tool; JSON may itself contain `]]` and spaces.
    fn read_args<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let Some(Ok(args)) = stream.next() else { return Err("`args=` takes a JSON value".into()) };
        let tool = self.tools.last_mut().ok_or("`args=` must follow `tool=`")?;
        tool.args = args.get().to_owned();
        Ok(&text[stream.byte_offset()..])
    }

    fn read_word(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "id" => self.id = Some(value.to_owned()),
            "tool" => self.tools.push(ToolDirective { name: value.to_owned(), args: "{}".into() }),
            "force" => self.force = true,
            "vary" => self.vary = true,
            "hang" if value.is_empty() => self.hang = u32::MAX,
            "tokens" => self.tokens = number(word, value)?,
            "first_ms" => self.first = Duration::from_millis(number(word, value)?),
            "delay_ms" => self.delay = Duration::from_millis(number(word, value)?),
            "rounds" => self.rounds = number(word, value)?,
            "fail" => self.fail = number(word, value)?,
            "status" => self.status = number(word, value)?,
            "retry_after" => self.retry_after = Some(number(word, value)?),
            "cut" => self.cut = number(word, value)?,
            "hang" => self.hang = number(word, value)?,
            "after" => self.after = Some(number(word, value)?),
            _ => return Err(format!("unknown directive `{word}`")),
        }
        Ok(())
    }
}

/// The ids named in `text`, in order; used on old messages, whose scripts no longer matter.
pub(super) fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split("[[").skip(1).flat_map(|block| {
        let words = block.split("]]").next().unwrap_or_default().split_whitespace();
        words.filter_map(|word| word.strip_prefix("id="))
    })
}

fn word_end(text: &str) -> Option<usize> {
    text.char_indices().find(|(at, c)| c.is_whitespace() || text[*at..].starts_with("]]")).map(|(at, _)| at)
}

fn number<T: std::str::FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{word}` needs a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_word() {
        let text = r#"hi [[id=m1 tokens=20 delay_ms=40 first_ms=200]] and [[fail=2 status=429 retry_after=1]]
            [[tool=read args={"path":"a ]] b","n":[[1]]} tool=now rounds=3 force vary]] [[cut=1 hang=2 after=7]]"#;
        let tool = |name: &str, args: &str| ToolDirective { name: name.into(), args: args.into() };
        let expected = Directives {
            id: Some("m1".into()),
            tokens: 20,
            first: Duration::from_millis(200),
            delay: Duration::from_millis(40),
            tools: vec![tool("read", r#"{"path":"a ]] b","n":[[1]]}"#), tool("now", "{}")],
            rounds: 3,
            force: true,
            vary: true,
            fail: 2,
            status: 429,
            retry_after: Some(1),
            cut: 1,
            hang: 2,
            after: Some(7),
        };
        assert_eq!(Directives::parse(text), Ok(expected));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for (text, error) in [
            ("[[tokns=3]]", "unknown directive `tokns=3`"),
            ("[[tokens=many]]", "`tokens=many` needs a number"),
            ("[[tokens=3", "a directive has no closing `]]`"),
            ("[[args={}]]", "`args=` must follow `tool=`"),
            ("[[tool=a args={]]", "`args=` takes a JSON value"),
            ("[[fail=1]]", "`vary`, `fail`, `cut` and `hang=n` count the calls of an id: give an id"),
        ] {
            assert_eq!(Directives::parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn text_without_directives_asks_nothing() {
        for text in ["", "hello", "a ]] b", "[x] [y]", "ärger ☃"] {
            assert_eq!(Directives::parse(text), Ok(Directives::default()), "{text}");
        }
    }

    #[test]
    fn finds_all_ids() {
        let found: Vec<&str> = ids("[[id=a]] x [[tokens=2 id=b]] id=no [[tool=t args={} id=c]]").collect();
        assert_eq!(found, ["a", "b", "c"]);
    }
}
