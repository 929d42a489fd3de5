-- Scheduled messages. Firing a tick moves due_at on in the transaction that accepts its message, with the key
-- schedule:<id>:<due_at>. revision: from the fencing counter, so that it never comes back. last_outcome: 1 accepted,
-- 2 the session was full, 3 missed.
DROP TABLE schedules;
CREATE TABLE schedules (
  schedule     TEXT PRIMARY KEY,
  revision     INTEGER NOT NULL,
  session      TEXT NOT NULL,
  spec         TEXT NOT NULL,
  body         BLOB NOT NULL,
  due_at       INTEGER,
  last_at      INTEGER,
  last_outcome INTEGER,
  last_run     BLOB
) WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;
