//! Named leases: what one replica of all may hold at a time. Nobody must renew in time for anything to be right: who holds
//! one too long has an older epoch than the next holder.

use std::time::Duration;

use regrow_protocol::{Epoch, ReplicaId};

use super::failure::Failure;
use super::links::Links;
use super::row;
use crate::Error;

/// Who waits for its turn asks often, and then nothing is written.
pub(super) const HOLD: &str = "WITH able AS (
    SELECT FROM regrow.replicas WHERE replica = $2 AND expires_at > now() AND NOT EXISTS (
        SELECT FROM regrow.leases WHERE name = $1 AND replica <> $2 AND expires_at > now()))
INSERT INTO regrow.leases AS t (name, replica, epoch, expires_at)
SELECT $1, $2, nextval('regrow.fence'), now() + $3::int8 * interval '1 ms' FROM able
ON CONFLICT (name) DO UPDATE SET replica = EXCLUDED.replica, expires_at = EXCLUDED.expires_at,
    epoch = CASE WHEN t.replica = EXCLUDED.replica AND t.expires_at > now() THEN t.epoch
        ELSE greatest(EXCLUDED.epoch, t.epoch + 1) END
WHERE t.replica = EXCLUDED.replica OR t.expires_at <= now()
RETURNING epoch";

pub(super) const LET_GO: &str = "DELETE FROM regrow.leases WHERE name = $1 AND replica = $2";

/// The longest time that the server can add to a date: some thirty years.
const LONGEST: u128 = 1_000_000_000_000;

pub(super) async fn hold(
    links: &Links,
    name: &str,
    replica: ReplicaId,
    ttl: Duration,
) -> Result<Option<Epoch>, Error> {
    let ttl = i64::try_from(ttl.as_millis().min(LONGEST)).unwrap_or(i64::MAX);
    let held = links.query_opt(HOLD, &[&row::text(name), &row::of_replica(replica), &ttl]).await?;
    Ok(held.map(|r| r.try_get("epoch").map(Epoch)).transpose().map_err(Failure::from)?)
}

pub(super) async fn let_go(links: &Links, name: &str, replica: ReplicaId) -> Result<(), Error> {
    links.query(LET_GO, &[&row::text(name), &row::of_replica(replica)]).await?;
    Ok(())
}
