-- What belongs to the store as a whole: the fencing counter and the secret that its replicas share.
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('fence', 0), ('cluster_secret', lower(hex(randomblob(32))));

-- One row per living replica. Its crash is seen by the lock on its file, its hanging by expires_at.
CREATE TABLE replicas (
  replica    BLOB PRIMARY KEY,
  address    TEXT NOT NULL,
  version    TEXT NOT NULL,
  slots      INTEGER NOT NULL,
  joined_at  INTEGER NOT NULL,
  lease_ms   INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  draining   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- The hot row of a session: inbox head, lease, epoch, log head. state: 0 idle, 1 ready, 2 running.
CREATE TABLE lanes (
  session      BLOB PRIMARY KEY,
  key          TEXT NOT NULL,
  state        INTEGER NOT NULL,
  ready_at     INTEGER NOT NULL,
  replica      BLOB,
  epoch        INTEGER NOT NULL DEFAULT 0,
  run          BLOB,
  attempt      INTEGER NOT NULL DEFAULT 0,
  blame        INTEGER NOT NULL DEFAULT 0,
  run_base     INTEGER NOT NULL DEFAULT 0,
  abort        INTEGER NOT NULL DEFAULT 0,
  inbox_head   INTEGER NOT NULL DEFAULT 0,
  inbox_done   INTEGER NOT NULL DEFAULT 0,
  log_head     INTEGER NOT NULL DEFAULT 0,
  context_base INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  CHECK ((state = 2) = (replica IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX lanes_ready ON lanes (ready_at) WHERE state = 1;
CREATE INDEX lanes_owner ON lanes (replica) WHERE state = 2;

-- Accepted messages. A message's id is the id of the run that it opens.
CREATE TABLE inbox (
  session     BLOB NOT NULL,
  seq         INTEGER NOT NULL,
  message     BLOB NOT NULL,
  dedupe      TEXT,
  fingerprint INTEGER NOT NULL,
  aborted     INTEGER NOT NULL DEFAULT 0,
  accepted_at INTEGER NOT NULL,
  body        BLOB NOT NULL,
  PRIMARY KEY (session, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX inbox_dedupe ON inbox (session, dedupe) WHERE dedupe IS NOT NULL;
CREATE UNIQUE INDEX inbox_message ON inbox (message);

-- The append-only log of a session: transcript and journal in one.
CREATE TABLE log (
  session BLOB NOT NULL,
  seq     INTEGER NOT NULL,
  run     BLOB NOT NULL,
  epoch   INTEGER NOT NULL,
  kind    INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (session, seq)
) WITHOUT ROWID;

-- Ended runs. status: 1 done, 2 failed, 3 aborted. epoch: the lease that ended it. kept_epoch: the lease of the next
-- run, if this end kept it.
CREATE TABLE runs (
  run         BLOB PRIMARY KEY,
  session     BLOB NOT NULL,
  status      INTEGER NOT NULL,
  log_base    INTEGER NOT NULL,
  log_head    INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  error       TEXT,
  usage       TEXT NOT NULL,
  epoch       INTEGER NOT NULL,
  kept_epoch  INTEGER
) WITHOUT ROWID;

-- Scheduled messages: each firing is accepted with the key schedule:<id>:<due_at>, so it happens once.
CREATE TABLE schedules (
  schedule TEXT PRIMARY KEY,
  session  TEXT NOT NULL,
  spec     TEXT NOT NULL,
  due_at   INTEGER,
  body     BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;
