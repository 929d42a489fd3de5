//! A conversation as a model is to see it, in three parts: what stands before it, what is settled, and what is recent.
//!
//! Settled messages are shown again by every later request, unchanged and in the same order. Whoever writes them down
//! for a provider keeps the bytes and adds to them, so that a turn of a long conversation costs what a turn of a short
//! one does, and the provider meets the same bytes again.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Message;

/// Something that holds messages and is shared.
pub trait Holder: fmt::Debug + Send + Sync {
    /// The messages; always the same.
    fn held(&self) -> &[Message];
}

impl Holder for Message {
    fn held(&self) -> &[Message] {
        std::slice::from_ref(self)
    }
}

/// A message where it lies.
#[derive(Debug, Clone)]
pub struct Shared {
    holder: Arc<dyn Holder>,
    index: usize,
}

impl Shared {
    /// All messages of a holder.
    pub fn all<H: Holder + 'static>(holder: &Arc<H>) -> impl Iterator<Item = Self> {
        let holder: Arc<dyn Holder> = Arc::<H>::clone(holder);
        (0..holder.held().len()).map(move |index| Self { holder: Arc::clone(&holder), index })
    }
}

impl From<Message> for Shared {
    fn from(message: Message) -> Self {
        Self { holder: Arc::new(message), index: 0 }
    }
}

impl Deref for Shared {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.holder.held()[self.index]
    }
}

/// Messages that only ever get followed by more.
#[derive(Default)]
pub struct Settled {
    messages: Vec<Shared>,
    written: Mutex<Written>,
}

/// What was written of them, by whoever asked last.
#[derive(Default)]
struct Written {
    form: &'static str,
    messages: usize,
    bytes: Vec<u8>,
}

impl Settled {
    /// The messages.
    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().map(Deref::deref)
    }

    /// The messages in the writer's `form`, handed to `read`. `write` adds a message to the bytes of those before it; it
    /// is asked only for messages that were not written in this form before.
    pub fn written<T, E>(
        &self,
        form: &'static str,
        mut write: impl FnMut(&mut Vec<u8>, &Message) -> Result<(), E>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, E> {
        let mut kept = self.kept();
        // Taken out meanwhile, so that a writer that fails or panics leaves nothing half written.
        let mut written = std::mem::take(&mut *kept);
        if written.form != form {
            written = Written { form, ..Written::default() };
        }
        for message in &self.messages[written.messages..] {
            write(&mut written.bytes, message)?;
        }
        written.messages = self.messages.len();
        let result = read(&written.bytes);
        *kept = written;
        Ok(result)
    }

    /// Bytes of memory that this takes beside the messages themselves.
    pub fn weight(&self) -> usize {
        self.kept().bytes.capacity() + self.messages.capacity() * size_of::<Shared>()
    }

    fn kept(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Extend<Shared> for Settled {
    fn extend<I: IntoIterator<Item = Shared>>(&mut self, messages: I) {
        self.messages.extend(messages);
    }
}

/// A clone has the messages; what was written of them it writes again when it is asked.
impl Clone for Settled {
    fn clone(&self) -> Self {
        Self { messages: self.messages.clone(), written: Mutex::default() }
    }
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A conversation, oldest first. It borrows: messages are written from where they lie.
#[derive(Debug, Clone, Default)]
pub struct Conversation<'a> {
    /// What stands before it: instructions, a summary.
    pub opening: Vec<Message>,
    /// The settled part, if some is known to be.
    pub settled: Option<&'a Settled>,
    /// What follows.
    pub recent: Vec<Cow<'a, Message>>,
}

impl Conversation<'_> {
    /// All messages.
    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        let settled = self.settled.into_iter().flat_map(Settled::iter);
        self.opening.iter().chain(settled).chain(self.recent.iter().map(AsRef::as_ref))
    }
}

impl<'a> From<Vec<Cow<'a, Message>>> for Conversation<'a> {
    fn from(recent: Vec<Cow<'a, Message>>) -> Self {
        Self { recent, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(count: usize) -> impl Iterator<Item = Shared> {
        (0..count).map(|n| Message::user(n.to_string()).into())
    }

    fn write(bytes: &mut Vec<u8>, message: &Message) -> Result<(), String> {
        bytes.extend_from_slice(message.text().as_bytes());
        Ok(())
    }

    #[test]
    fn each_message_is_written_once_in_a_form() {
        let mut settled = Settled::default();
        let mut count = 0;
        for (more, form, wanted, written) in
            [(2, "a", "01", 2), (2, "a", "0101", 4), (0, "a", "0101", 4), (1, "b", "01010", 9)]
        {
            settled.extend(texts(more));
            let mut counted = |bytes: &mut Vec<u8>, message: &Message| {
                count += 1;
                write(bytes, message)
            };
            assert_eq!(settled.written(form, &mut counted, <[u8]>::to_vec), Ok(wanted.into()));
            assert_eq!(count, written);
        }
    }

    #[test]
    fn what_was_half_written_is_written_again() {
        let mut settled = Settled::default();
        settled.extend(texts(3));
        let mut left = 2;
        let failing = |bytes: &mut Vec<u8>, message: &Message| {
            left -= 1;
            if left == 0 { Err("full".to_owned()) } else { write(bytes, message) }
        };
        assert_eq!(settled.written("a", failing, <[u8]>::len), Err("full".to_owned()));
        assert_eq!(settled.written("a", write, <[u8]>::to_vec), Ok(b"012".to_vec()));
    }
}
