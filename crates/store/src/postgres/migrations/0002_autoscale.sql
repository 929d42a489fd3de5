-- What autoscalers that read the database themselves may rely on: its columns stay as they are, whatever becomes of the
-- tables. `load` is how many replicas' slots would be full with what is ready and running; with no replica left, what waits
-- counts as it is, so that one is started.
CREATE VIEW regrow.autoscale_v1 AS
SELECT l.ready, l.running, r.slots, r.replicas, l.oldest_ready_seconds,
  CASE WHEN r.slots = 0 THEN (l.ready + l.running)::float8
    ELSE (l.ready + l.running)::float8 * r.replicas / r.slots END AS load
FROM (SELECT
    (SELECT count(*) FROM regrow.lanes WHERE state = 1) AS ready,
    (SELECT count(*) FROM regrow.lanes WHERE state = 2) AS running,
    coalesce((SELECT extract(epoch FROM now() - min(ready_at))::float8 FROM regrow.lanes WHERE state = 1), 0)
      AS oldest_ready_seconds) AS l,
  (SELECT count(*) AS replicas, coalesce(sum(slots), 0)::bigint AS slots
    FROM regrow.replicas WHERE expires_at > now() AND NOT draining AND slots > 0) AS r;
