//! Connections and what runs on them. A connection that did not answer in time, or whose caller went away in the middle of
//! a statement, is not used again.

use std::time::Duration;

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod,
    Runtime, Timeouts,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Row};

use super::address::Options;
use super::failure::{Failure, whole, within};
use super::value::Value;

/// Plans are made once, and by index: a plan that was made while a table was small must not scan it when it has grown. An
/// acknowledged write is on disk whatever the server's default.
pub(super) const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET jit = off;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// A transaction whose process was cut off from the server, or stands still, must not hold its rows for long.
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// A parameter of a statement.
pub(super) type Param<'a> = &'a dyn Value;

/// Makes connections that are served by one runtime, whoever asks for them.
#[derive(Clone)]
pub(super) struct Connector {
    options: Options,
    runtime: Handle,
}

impl Connector {
    pub(super) fn new(options: &Options, runtime: Handle) -> Self {
        Self { options: options.clone(), runtime }
    }
}

impl Connect for Connector {
    fn connect(
        &self,
        _config: &Config,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>,
    > {
        let (options, runtime) = (self.options.clone(), self.runtime.clone());
        Box::pin(on(self.runtime.clone(), async move {
            let (client, connection) = options.connect().await?;
            let serving = runtime.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = whole(&error), "a connection to PostgreSQL ended");
                }
            });
            Ok((client, serving))
        }))
    }
}

/// Runs a future with the sockets and timers of another runtime.
pub(super) fn on<F: Future>(runtime: Handle, future: F) -> impl Future<Output = F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        let _inside = runtime.enter();
        future.as_mut().poll(context)
    })
}

/// A pool.
#[derive(Clone)]
pub(super) struct Links {
    pool: Pool,
    patience: Duration,
    /// A pooler is in between: statements are not prepared, as each may meet another connection of the server.
    pooled: bool,
}

impl Links {
    /// A pool of at most `most` connections, made as they are needed. Connections that a pooler shares between its clients
    /// (`pooled`) keep the server's settings.
    pub(super) fn new(
        options: &Options,
        runtime: Handle,
        most: usize,
        pooled: bool,
    ) -> Result<Self, crate::Error> {
        let connector = Connector::new(options, runtime);
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(options.config.clone(), connector, manager_config);
        let patience = options.patience;
        let timeouts = Timeouts { wait: Some(patience), create: Some(patience), recycle: Some(patience) };
        // The connection that was used last comes first: no more are open and have their statements prepared than are needed.
        let mut builder = Pool::builder(manager)
            .max_size(most)
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts)
            .queue_mode(QueueMode::Lifo);
        if !pooled {
            builder = builder.post_create(Hook::async_fn(|client, _| {
                Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
            }));
        }
        let pool =
            builder.build().map_err(|e| crate::Error::Unavailable(format!("no pool of connections: {e}")))?;
        Ok(Self { pool, patience, pooled })
    }

    /// Runs a statement and returns its rows. Waiting for a connection is part of the time that it may take.
    pub(super) async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let work = async {
            let link = self.lend().await?;
            let answer = link.query(sql, params, self.patience).await;
            if answer.as_ref().err().is_none_or(Failure::is_about_the_statement) {
                link.give_back();
            }
            answer
        };
        within(self.patience, work).await
    }

    /// Begins a transaction of several statements. One that is dropped without having been committed has not happened.
    pub(super) async fn begin(&self) -> Result<Open, Failure> {
        let open = Open { link: self.lend().await?, patience: self.patience };
        open.command(BEGIN).await?;
        Ok(open)
    }

    /// Runs a statement that returns one row at most.
    pub(super) async fn query_opt(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Closes all connections.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    async fn lend(&self) -> Result<Lent, Failure> {
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Failure::Postgres(error),
            PoolError::PostCreateHook(HookError::Backend(error)) => Failure::Postgres(error),
            PoolError::Timeout(_) => Failure::TimedOut(self.patience),
            other => Failure::NoConnection(format!("no connection to PostgreSQL: {other}")),
        })?;
        Ok(Lent { object: Some(object), pooled: self.pooled })
    }
}

/// A transaction of several statements.
pub(super) struct Open {
    link: Lent,
    patience: Duration,
}

impl Open {
    /// Runs a statement that returns one row at most.
    pub(super) async fn query_opt(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Makes it happen.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        self.command("COMMIT").await?;
        self.link.give_back();
        Ok(())
    }

    async fn command(&self, sql: &str) -> Result<(), Failure> {
        let Some(client) = &self.link.object else { return Ok(()) };
        within(self.patience, client.batch_execute(sql)).await
    }
}

/// Where a statement can run: by itself, or in a transaction.
pub(super) trait Run {
    /// Runs a statement and returns its rows.
    fn query(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, Failure>> + Send;
}

impl Run for Links {
    async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        Self::query(self, sql, params).await
    }
}

impl Run for Open {
    async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        self.link.query(sql, params, self.patience).await
    }
}

/// A connection on loan: it is closed unless it is given back.
struct Lent {
    object: Option<Object>,
    pooled: bool,
}

impl Lent {
    async fn query(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
        patience: Duration,
    ) -> Result<Vec<Row>, Failure> {
        let work = async {
            let Some(client) = &self.object else { return Ok::<_, tokio_postgres::Error>(Vec::new()) };
            if self.pooled {
                let typed: Vec<_> = params.iter().map(|param| (param.as_sql(), param.kind())).collect();
                return client.query_typed(sql, &typed).await;
            }
            let statement = client.prepare_cached(sql).await?;
            let values: Vec<_> = params.iter().map(|param| param.as_sql()).collect();
            client.query(&statement, &values).await
        };
        within(patience, work).await
    }

    fn give_back(mut self) {
        drop(self.object.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
