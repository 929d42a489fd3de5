//! Giving leases up: at a drain, and when a grant never reached its owner.

use regrow_protocol::{Epoch, ReplicaId, SessionId};
use rusqlite::named_params;

use super::claim::next_epoch;
use super::writer::{Tx, Writer};
use crate::{Claimed, Error, Hint, Loss, WriteError};

/// The epoch grows here too: the former owner is fenced before anybody else starts. The attempt does not count.
const RELEASE: &str = "UPDATE lanes SET state = 1, replica = NULL, epoch = :next_epoch,
        attempt = max(attempt - 1, 0), freed_run = run, freed_from = :replica, freed_by = :loss,
        freed_since = :now, updated_at = :now
    WHERE session = :session AND replica = :replica AND epoch = :epoch AND state = 2";

pub(super) async fn release(writer: &Writer, claimed: &Claimed) -> Result<(), WriteError> {
    let guard = claimed.guard.clone();
    let released = writer.write(move |tx| give_up(tx, guard.replica, guard.session, guard.epoch)).await?;
    if released { Ok(()) } else { Err(WriteError::Fenced) }
}

pub(super) async fn disown(
    writer: &Writer,
    replica: ReplicaId,
    leases: &[(SessionId, Epoch)],
) -> Result<u64, Error> {
    let leases = leases.to_vec();
    writer
        .write(move |tx| {
            let mut given_up = 0;
            for (session, epoch) in &leases {
                given_up += u64::from(give_up(tx, replica, *session, *epoch)?);
            }
            Ok(given_up)
        })
        .await
}

fn give_up(tx: &Tx<'_>, replica: ReplicaId, session: SessionId, epoch: Epoch) -> rusqlite::Result<bool> {
    let params = named_params! {
        ":session": session.as_bytes(), ":replica": replica.as_bytes(), ":epoch": epoch.0, ":now": tx.now,
        ":next_epoch": next_epoch(tx)?.0, ":loss": Loss::HandedOver.code(),
    };
    let released = tx.connection.prepare_cached(RELEASE)?.execute(params)? > 0;
    if released {
        tx.hint(Hint::Ready);
    }
    Ok(released)
}
