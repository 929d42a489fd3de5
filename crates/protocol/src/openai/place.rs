//! Where in a request body something stands: `messages[3].content[1].image_url.url`.
//!
//! A place is a chain of borrowed steps on the stack; it costs nothing until a refusal prints it.

use std::fmt;

use super::Invalid;

/// A place in a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// The body itself.
    pub(super) const ROOT: Place<'static> = Place { parent: None, step: Step::Root };

    /// A field of the object that stands here.
    pub(super) fn field<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place { parent: Some(self), step: Step::Field(name) }
    }

    /// An element of the array that stands here.
    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place { parent: Some(self), step: Step::Index(index) }
    }

    /// A refusal of what stands here; `problem` continues a sentence that begins with the place.
    pub(super) fn refuse(&self, problem: impl fmt::Display) -> Invalid {
        let param = self.to_string();
        if param.is_empty() {
            return Invalid { message: format!("The body {problem}."), param: None };
        }
        Invalid { message: format!("`{param}` {problem}."), param: Some(param) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Field(name) if parent.parent.is_none() => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_way_from_the_root() {
        let messages = Place::ROOT.field("messages");
        let message = messages.index(3);
        let url = message.field("image_url");
        assert_eq!(url.field("url").to_string(), "messages[3].image_url.url");
        assert_eq!(Place::ROOT.to_string(), "");
    }
}
