//! Reading without the writer: a few read-only connections, used from blocking threads.
//!
//! A reader sees every transaction that was committed before its read began, by whichever process, and none that was
//! committed while it reads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::writer::{at, classify, keep_plans};
use crate::Error;

/// The pool.
#[derive(Clone)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens a pool of at most `connections`, with one to begin with; more reads at once wait.
    pub(super) fn open(path: &Path, connections: usize) -> Result<Self, Error> {
        let first = connect(path).map_err(|e| at(path, &e))?;
        Ok(Self {
            path: path.to_owned(),
            idle: Arc::new(Mutex::new(vec![first])),
            permits: Arc::new(Semaphore::new(connections)),
        })
    }

    /// Runs `body` on a connection.
    pub(super) async fn read<T, F>(&self, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let closed = || Error::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let pool = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = idle.map_or_else(|| connect(&pool.path), Ok).map_err(|e| classify(&e))?;
            let snapshot = connection.unchecked_transaction();
            let result = snapshot.and_then(|snapshot| body(&snapshot)).map_err(|e| classify(&e));
            // After a failure the connection is not trusted again.
            if result.is_ok() {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            result
        });
        task.await.map_err(|e| Error::Unavailable(format!("a read did not finish: {e}")))?
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    connection.set_prepared_statement_cache_capacity(32);
    keep_plans(&connection)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use regrow_protocol::{RunId, SessionId};
    use rusqlite::{StatementStatus, named_params};

    use super::*;
    use crate::sqlite::{accept, schedules, schema, views, writer};

    fn store() -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        let mut connection = writer::connect(&path).unwrap();
        schema::migrate(&mut connection, &path).unwrap();
        (directory, connect(&path).unwrap())
    }

    #[test]
    fn statements_are_planned_once() {
        let (_directory, connection) = store();
        let cached = || connection.prepare_cached(views::OPEN).unwrap();
        for run in [RunId::new(), RunId::new(), RunId::new()] {
            assert!(!cached().exists(named_params! { ":run": run.as_bytes() }).unwrap());
        }
        assert_eq!(cached().get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_repeated_key_is_found_by_its_index() {
        let (_directory, connection) = store();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", accept::DUPLICATE)).unwrap();
        let (session, message) = (SessionId::from_bytes([1; 16]), RunId::new());
        let params = named_params! {
            ":session": session.as_bytes(), ":dedupe": "key", ":message": message.as_bytes(),
        };
        let plan: Result<Vec<String>, _> = statement.query_map(params, |r| r.get(3)).unwrap().collect();
        let plan = plan.unwrap().join("; ");
        assert!(plan.contains("inbox_dedupe") && plan.contains("inbox_message"), "{plan}");
    }

    #[test]
    fn what_is_due_is_found_by_its_index() {
        let (_directory, connection) = store();
        for sql in [schedules::DUE, schedules::NEXT_DUE] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Result<Vec<String>, _> = statement.raw_query().mapped(|r| r.get(3)).collect();
            let plan = plan.unwrap().join("; ");
            assert!(plan.contains("schedules_due") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
