//! What a back-end brings to be tested.

use std::sync::Arc;
use std::time::Duration;

use regrow_protocol::ReplicaId;
use regrow_store::Store;

/// One store and the processes that share it.
pub(crate) trait Harness: Send + Sync + Sized + 'static {
    /// How many random scripts the store is put through: as many as take some seconds.
    const SCRIPTS: u32;

    /// How many crowds of replicas it bears.
    const CROWDS: u64;

    /// What is wrong with it on purpose, for the sake of speed: subjects of findings.
    const UNSOUND: &[&str];

    /// An empty store that vanishes with the harness.
    fn open() -> impl Future<Output = Self> + Send;

    /// The store as a process of its own sees it.
    fn replica_handle(&self) -> impl Future<Output = Arc<dyn Store>> + Send;

    /// Lets the lease of `replica` run out, while all other living replicas keep theirs.
    fn lapse(&self, replica: ReplicaId) -> impl Future<Output = ()> + Send;

    /// Makes everything that is recorded so far older by so much; living replicas stay alive, with their whole lease
    /// before them.
    fn age(&self, by: Duration) -> impl Future<Output = ()> + Send;

    /// The process of this handle, the last one to it, dies without a word.
    fn crash(&self, handle: Arc<dyn Store>) -> impl Future<Output = ()> + Send;
}
