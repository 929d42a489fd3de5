//! The seam between the door and the worker: what the door asks of it, so that tests can stand in for it.
//!
//! It is resolved at compile time and costs nothing.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use regrow_agent::Reply;
use regrow_protocol::RunId;
use regrow_worker::{Cursor, Follow, Readiness, StoreError, Submission, SubmitError, Ticket, Update, Worker};

/// What the door asks of the worker; see [`Worker`] for the promises.
pub(crate) trait Engine: Clone + Unpin + Send + Sync + 'static {
    /// Follows a run.
    type Follow: Updates;

    fn submit(&self, submission: Submission) -> impl Future<Output = Result<Ticket, SubmitError>> + Send;
    fn ticket(&self, run: RunId) -> impl Future<Output = Result<Option<Ticket>, StoreError>> + Send;
    fn reply(&self, ticket: &Ticket) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send;
    fn follow(&self, ticket: &Ticket, from: Cursor) -> Self::Follow;
    fn abort(&self, run: RunId) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn readiness(&self) -> Readiness;
    fn peer_token(&self, run: RunId) -> String;
    fn live_lines(&self, run: RunId) -> Option<BoxStream<'static, Bytes>>;
}

/// What the door asks of a follower; see [`Follow`].
pub(crate) trait Updates: Send + 'static {
    fn next(&mut self) -> impl Future<Output = Result<Option<Update>, StoreError>> + Send;
    fn cursor(&self) -> Cursor;
}

impl Engine for Worker {
    type Follow = Follow;

    async fn submit(&self, submission: Submission) -> Result<Ticket, SubmitError> {
        Worker::submit(self, submission).await
    }

    async fn ticket(&self, run: RunId) -> Result<Option<Ticket>, StoreError> {
        Worker::ticket(self, run).await
    }

    async fn reply(&self, ticket: &Ticket) -> Result<Option<Reply>, StoreError> {
        Worker::reply(self, ticket).await
    }

    fn follow(&self, ticket: &Ticket, from: Cursor) -> Follow {
        Worker::follow(self, ticket, from)
    }

    async fn abort(&self, run: RunId) -> Result<(), StoreError> {
        Worker::abort(self, run).await
    }

    fn readiness(&self) -> Readiness {
        Worker::readiness(self)
    }

    fn peer_token(&self, run: RunId) -> String {
        Worker::peer_token(self, run)
    }

    fn live_lines(&self, run: RunId) -> Option<BoxStream<'static, Bytes>> {
        Worker::live_lines(self, run)
    }
}

impl Updates for Follow {
    async fn next(&mut self) -> Result<Option<Update>, StoreError> {
        Follow::next(self).await
    }

    fn cursor(&self) -> Cursor {
        Follow::cursor(self)
    }
}
