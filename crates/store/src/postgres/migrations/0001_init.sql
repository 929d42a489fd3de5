-- What belongs to the store as a whole. `oldest_program` is the oldest schema version whose programs can work with this
-- one: a migration that only adds leaves it alone.
CREATE TABLE regrow.meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO regrow.meta VALUES
  ('schema_version', '0'),
  ('oldest_program', '1'),
  ('cluster_secret', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

-- Fencing tokens. After a crash of the server a sequence skips numbers; it never repeats one that was used.
CREATE SEQUENCE regrow.fence;

-- One row per living replica. Its crash is seen by the advisory lock `lock_key`, its hanging by `expires_at`. `locked_in`
-- and `renewed_in` are the start of the server's life in which it took the lock and renewed its lease: in another life, a
-- free lock says nothing, and a lease that ran out may have done so while the server was away.
CREATE TABLE regrow.replicas (
  replica    uuid PRIMARY KEY,
  address    text NOT NULL,
  version    text NOT NULL,
  slots      bigint NOT NULL,
  joined_at  timestamptz NOT NULL DEFAULT now(),
  lease_ms   bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  draining   boolean NOT NULL DEFAULT false,
  lock_key   bigint NOT NULL,
  locked_in  timestamptz,
  renewed_in timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

-- The hot row of a session: inbox head, lease, epoch, log head. state: 0 idle, 1 ready, 2 running. Half of each page stays
-- free, so that a new version of a row fits beside the old one. One that only moves the log's head, as every step of a run
-- does, then needs no new index entries; one that changes the state does.
CREATE TABLE regrow.lanes (
  session      uuid PRIMARY KEY,
  key          text NOT NULL,
  state        smallint NOT NULL,
  ready_at     timestamptz NOT NULL DEFAULT now(),
  replica      uuid,
  epoch        bigint NOT NULL DEFAULT 0,
  run          uuid,
  attempt      integer NOT NULL DEFAULT 0,
  blame        integer NOT NULL DEFAULT 0,
  run_base     bigint NOT NULL DEFAULT 0,
  inbox_head   bigint NOT NULL DEFAULT 0,
  inbox_done   bigint NOT NULL DEFAULT 0,
  log_head     bigint NOT NULL DEFAULT 0,
  context_base bigint NOT NULL DEFAULT 0,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  CHECK ((state = 2) = (replica IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lanes_ready ON regrow.lanes (ready_at) WHERE state = 1;
CREATE INDEX lanes_owner ON regrow.lanes (replica) WHERE state = 2;

-- Accepted messages. A message's id is the id of the run that it opens. `aborted` is the only place where an abort is
-- noted, so that it cannot be lost between the inbox and the lane.
CREATE TABLE regrow.inbox (
  session     uuid NOT NULL,
  seq         bigint NOT NULL,
  message     uuid NOT NULL,
  dedupe      text,
  fingerprint bigint NOT NULL,
  aborted     boolean NOT NULL DEFAULT false,
  accepted_at timestamptz NOT NULL DEFAULT now(),
  body        bytea NOT NULL,
  PRIMARY KEY (session, seq)
);
CREATE UNIQUE INDEX inbox_dedupe ON regrow.inbox (session, dedupe) WHERE dedupe IS NOT NULL;
CREATE UNIQUE INDEX inbox_message ON regrow.inbox (message);
-- Next to always empty, so that heartbeats and appends ask for aborts at next to no cost.
CREATE INDEX inbox_aborted ON regrow.inbox (session, seq) WHERE aborted;

-- The append-only log of a session: transcript and journal in one.
CREATE TABLE regrow.log (
  session uuid NOT NULL,
  seq     bigint NOT NULL,
  run     uuid NOT NULL,
  epoch   bigint NOT NULL,
  kind    smallint NOT NULL,
  at      timestamptz NOT NULL DEFAULT now(),
  payload bytea NOT NULL,
  PRIMARY KEY (session, seq)
);

-- Ended runs. status: 1 done, 2 failed, 3 aborted. epoch: the lease that ended it. kept_epoch: the lease of the next run,
-- if this end kept it.
CREATE TABLE regrow.runs (
  run         uuid PRIMARY KEY,
  session     uuid NOT NULL,
  status      smallint NOT NULL,
  log_base    bigint NOT NULL,
  log_head    bigint NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT now(),
  error       text,
  usage       text NOT NULL,
  epoch       bigint NOT NULL,
  kept_epoch  bigint
);

-- Scheduled messages. Firing a tick moves due_at on in the transaction that accepts its message, with the key
-- schedule:<id>:<due_at>. revision: a fencing token, so that it never comes back. Times are milliseconds since 1970: they
-- are compared for equality. last_outcome: 1 accepted, 2 the session was full, 3 missed.
CREATE TABLE regrow.schedules (
  schedule     text PRIMARY KEY,
  revision     bigint NOT NULL,
  session      text NOT NULL,
  spec         text NOT NULL,
  body         bytea NOT NULL,
  due_at       bigint,
  last_at      bigint,
  last_outcome smallint,
  last_run     uuid
);
CREATE INDEX schedules_due ON regrow.schedules (due_at) WHERE due_at IS NOT NULL;

-- Things that one replica at a time may hold. A replica's leases go when it is removed.
CREATE TABLE regrow.leases (
  name       text PRIMARY KEY,
  replica    uuid NOT NULL,
  epoch      bigint NOT NULL,
  expires_at timestamptz NOT NULL
);
