-- Whose a run was before, how it was lost (1 crashed, 2 silent, 3 handed over, 4 left), and since when it stands still: the
-- last sign of life of that replica. It is there from then until the run is claimed, and holds for this run only: programs of
-- earlier versions leave it as it is.
ALTER TABLE lanes ADD COLUMN freed_from BLOB;
ALTER TABLE lanes ADD COLUMN freed_by INTEGER;
ALTER TABLE lanes ADD COLUMN freed_run BLOB;
ALTER TABLE lanes ADD COLUMN freed_since INTEGER;

-- This only adds. A migration that does more must raise it.
INSERT OR REPLACE INTO meta VALUES ('oldest_program', 3);
