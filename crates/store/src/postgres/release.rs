//! Giving leases up: at a drain, and when a grant never reached its owner.

use regrow_protocol::{Epoch, ReplicaId, SessionId};
use uuid::Uuid;

use super::links::Links;
use super::row;
use crate::{Error, Loss};

/// The epoch grows here too: the former owner is fenced before anybody else starts. The attempt does not count. If this is
/// lost in a crash of the server, the lease is found to have no holder at the next heartbeat, or ends with its replica.
pub(super) const RELEASE: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE regrow.lanes t SET state = 1, replica = NULL, epoch = greatest(nextval('regrow.fence'), t.epoch + 1),
        attempt = greatest(t.attempt - 1, 0), freed_run = t.run, freed_from = $1, freed_by = $4,
        freed_since = now(), updated_at = now()
    FROM relaxed, unnest($2::uuid[], $3::int8[]) AS u(session, epoch)
    WHERE t.session = u.session AND t.replica = $1 AND t.epoch = u.epoch
    RETURNING t.session";

/// Gives these leases of a replica up, and returns how many it held.
pub(super) async fn give_up(
    links: &Links,
    replica: ReplicaId,
    leases: &[(SessionId, Epoch)],
) -> Result<u64, Error> {
    let mut leases = leases.to_vec();
    leases.sort_unstable();
    let sessions: Vec<Uuid> = leases.iter().map(|(session, _)| row::of_session(*session)).collect();
    let epochs: Vec<i64> = leases.iter().map(|(_, epoch)| epoch.0).collect();
    let loss = Loss::HandedOver.code();
    let given_up = links.query(RELEASE, &[&row::of_replica(replica), &sessions, &epochs, &loss]).await?;
    Ok(given_up.len() as u64)
}
