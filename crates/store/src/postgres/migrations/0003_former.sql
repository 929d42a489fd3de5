-- Whose a run was before, how it was lost (1 crashed, 2 silent, 3 handed over, 4 left), and since when it stands still: the
-- last sign of life of that replica. It is there from then until the run is claimed, and holds for this run only: programs of
-- earlier versions leave it as it is.
ALTER TABLE regrow.lanes ADD COLUMN freed_from uuid, ADD COLUMN freed_by smallint, ADD COLUMN freed_run uuid,
  ADD COLUMN freed_since timestamptz;
