-- Things that one replica at a time may hold. A replica's leases go when it is removed.
CREATE TABLE leases (
  name       TEXT PRIMARY KEY,
  replica    BLOB NOT NULL,
  epoch      INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What was deleted of a session: its answered messages up to inbox_tail, its entries up to log_tail. Nothing that is
-- left and may go is older than inbox_tail_at and log_tail_at, so that only these need to be looked at.
ALTER TABLE lanes ADD COLUMN inbox_tail INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN inbox_tail_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN log_tail INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN log_tail_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX lanes_inbox_tail ON lanes (inbox_tail_at) WHERE inbox_done > inbox_tail + 1;
CREATE INDEX lanes_log_tail ON lanes (log_tail_at) WHERE context_base > log_tail;
CREATE INDEX lanes_idle ON lanes (updated_at) WHERE state = 0;
