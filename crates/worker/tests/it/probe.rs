//! A tool that writes down how it is called, and does what the test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use regrow_protocol::ToolSpec;
use regrow_tools::{Class, Context, Output, Tool};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// How the tool was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) key: String,
    pub(crate) rerun: bool,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Answer,
    Wait,
    Panic,
}

/// The tool. Replicas of one process may share it.
pub(crate) struct Probe {
    spec: ToolSpec,
    class: Class,
    way: Way,
    /// Calls, in the order of their start.
    calls: watch::Sender<Vec<Called>>,
    /// A call that waits takes one permit.
    gate: Semaphore,
    running: AtomicUsize,
    peak: AtomicUsize,
}

impl Probe {
    /// Answers at once.
    pub(crate) fn answering(name: &str, class: Class) -> Arc<Self> {
        Self::new(name, class, Way::Answer)
    }

    /// Each call waits for [`Self::release`].
    pub(crate) fn waiting(name: &str, class: Class) -> Arc<Self> {
        Self::new(name, class, Way::Wait)
    }

    /// Each call panics.
    pub(crate) fn panicking(name: &str) -> Arc<Self> {
        Self::new(name, Class::Pure, Way::Panic)
    }

    fn new(name: &str, class: Class, way: Way) -> Arc<Self> {
        let parameters = json!({ "type": "object" });
        let spec = ToolSpec { name: name.to_owned(), description: String::new(), parameters, strict: false };
        Arc::new(Self {
            spec,
            class,
            way,
            calls: watch::Sender::default(),
            gate: Semaphore::new(0),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        })
    }

    /// So many calls that wait may end.
    pub(crate) fn release(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Called> {
        self.calls.borrow().clone()
    }

    /// The most calls that ran at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    /// Waits until so many calls have started.
    pub(crate) async fn called(&self, times: usize) {
        let mut calls = self.calls.subscribe();
        let reached = calls.wait_for(|calls| calls.len() >= times);
        let late = format!("`{}` was not called {times} times", self.spec.name);
        tokio::time::timeout(crate::scene::PATIENCE, reached).await.expect(&late).unwrap();
    }
}

/// Counts a call as running until it is dropped.
struct Running<'a>(&'a Probe);

impl<'a> Running<'a> {
    fn enter(probe: &'a Probe) -> Self {
        let running = probe.running.fetch_add(1, Ordering::SeqCst) + 1;
        probe.peak.fetch_max(running, Ordering::SeqCst);
        Self(probe)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Tool for Probe {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn class(&self) -> Class {
        self.class
    }

    async fn call(&self, context: &Context<'_>, _arguments: Value) -> Output {
        let _running = Running::enter(self);
        let called = Called { key: context.key.to_owned(), rerun: context.rerun };
        self.calls.send_modify(|calls| calls.push(called));
        match self.way {
            Way::Answer => {}
            Way::Wait => self.gate.acquire().await.unwrap().forget(),
            Way::Panic => panic!("as the test said"),
        }
        Output::ok(format!("{}-worked", self.spec.name))
    }
}
