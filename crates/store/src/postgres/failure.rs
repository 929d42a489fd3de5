//! What can go wrong with a statement, and what it means for the caller.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::Error;

/// A statement failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver or the server said so.
    Postgres(tokio_postgres::Error),
    /// No connection could be had.
    NoConnection(String),
    /// No answer within this time. Whether it was carried out is unknown.
    TimedOut(Duration),
    /// The answer holds something that this release cannot read.
    Unreadable(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

/// The outcome of work, unless it takes too long: a server may take connections and stay silent.
pub(super) async fn within<T, E: Into<Failure>>(
    time: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(time, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Failure::TimedOut(time)),
    }
}

impl Failure {
    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            _ => None,
        }
    }

    /// Two that wrote at the same time got in each other's way; nothing was written, and trying again helps.
    pub(super) fn is_collision(&self) -> bool {
        let state = self.state();
        state.is_some_and(|s| {
            [SqlState::UNIQUE_VIOLATION, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE]
                .contains(s)
        })
    }

    /// The failure is about what was asked, not about the connection or the server: the connection can be used again, and
    /// others of a group may succeed.
    pub(super) fn is_about_the_statement(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Postgres(error) => {
                error.code().is_some_and(|s| ["22", "23", "40", "42"].contains(&&s.code()[..2]))
            }
            Self::NoConnection(_) | Self::TimedOut(_) => false,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoConnection(why) => Self::Unavailable(why),
            Failure::TimedOut(time) => {
                Self::Unavailable(format!("PostgreSQL gave no answer within {time:?}"))
            }
            Failure::Unreadable(what) => Self::Unusable(format!("{what}; use a newer release")),
            Failure::Postgres(error) => classify(&error),
        }
    }
}

/// An error of the driver or the server as a decision for the caller.
fn classify(error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        return Error::Unavailable(format!("PostgreSQL cannot be reached: {}", whole(error)));
    };
    let message = said.message();
    match said.code() {
        &SqlState::READ_ONLY_SQL_TRANSACTION => {
            Error::Unavailable("PostgreSQL is read-only: it is a standby, or its disk is full".to_owned())
        }
        &SqlState::DISK_FULL => Error::Unavailable("PostgreSQL's disk is full".to_owned()),
        &SqlState::INSUFFICIENT_PRIVILEGE => Error::Unusable(format!(
            "PostgreSQL does not allow this user to do that ({message}); give it rights on the schema `regrow`: docs/operations.md says which"
        )),
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => {
            Error::Unusable(format!("the database is damaged ({message}); restore it from a backup"))
        }
        state => match &state.code()[..2] {
            "22" | "23" | "42" => Error::Unusable(format!("the store refuses this for good: {message}")),
            _ => Error::Unavailable(format!("PostgreSQL: {message}")),
        },
    }
}

/// An error with its causes.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
