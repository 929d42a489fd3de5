-- Things that one replica at a time may hold. A replica's leases go when it is removed.
CREATE TABLE leases (
  name       TEXT PRIMARY KEY,
  replica    BLOB NOT NULL,
  epoch      INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
