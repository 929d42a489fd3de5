//! The seams of a replica: where a development build puts faults between its parts.
//!
//! The program itself leaves them closed. They are called once, when the parts are put together, so what a fault costs
//! is paid by builds that have some.

use std::sync::Arc;

use regrow_store::Store;
use regrow_tools::Tool;

/// What is put between the parts of a replica.
pub struct Seams {
    /// Put over the store.
    pub store: fn(Arc<dyn Store>) -> Arc<dyn Store>,
    /// Further tools of every agent.
    pub tools: fn() -> Vec<Arc<dyn Tool>>,
}

impl Seams {
    /// Nothing.
    pub const CLOSED: Self = Self { store: |store| store, tools: Vec::new };
}
