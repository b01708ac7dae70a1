-- Runs: who changed which tables, from what, and what came of it.

-- name: begin
INSERT INTO myriad.run (run, started, finished, dataset, sources, report, kind, outcome, account,
                        tables, backend, backend_start)
SELECT %(run)s, %(started)s, NULL, %(dataset)s, %(sources)s, '{}', %(kind)s, 'running', %(account)s,
       %(tables)s, pid, backend_start
FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: mark
-- Which transaction this is, counted on beyond 2^32: also within a savepoint, which has a number of
-- its own. Myriad's run has a new row of that number.
UPDATE myriad.run SET backend = backend WHERE run = %(run)s
RETURNING pg_current_xact_id()::text::bigint
    + (xmin::text::bigint - (pg_current_xact_id()::text::bigint & 4294967295) + 4294967296
       & 4294967295) AS xid;

-- name: done
UPDATE myriad.run SET finished = clock_timestamp(), outcome = 'done', report = %(report)s,
    sources = %(sources)s, tables = %(tables)s::text[], rows = %(rows)s, seconds = %(seconds)s,
    bytes = (
        SELECT sum(pg_total_relation_size(c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = run.dataset AND c.relname = ANY(%(tables)s::text[])
    )
WHERE run = %(run)s;

-- name: failed
-- It may have begun, or not even that.
INSERT INTO myriad.run (run, started, finished, dataset, sources, report, kind, outcome, account,
                        tables, seconds, error)
VALUES (%(run)s, %(started)s, clock_timestamp(), %(dataset)s, %(sources)s, '{}', %(kind)s,
        %(outcome)s, %(account)s, %(tables)s, %(seconds)s, %(error)s)
ON CONFLICT (run) DO UPDATE
SET finished = excluded.finished, outcome = excluded.outcome, seconds = excluded.seconds,
    sources = excluded.sources, error = excluded.error
WHERE run.outcome = 'running';

-- name: forget
-- The newest runs of the same tables stay, and of all in the dataset fifty times as many; so do
-- those of what can be had, and those that run.
WITH old AS (
    SELECT run FROM myriad.run WHERE run IN (
        SELECT run FROM (
            SELECT run, backend, backend_start, row_number() OVER (
                PARTITION BY tables = %(tables)s::text[] ORDER BY started DESC
            ) AS place, tables = %(tables)s::text[] AS same
            FROM myriad.run WHERE dataset = %(dataset)s
        ) AS counted
        WHERE place > CASE WHEN same THEN %(keep)s ELSE 50 * %(keep)s END
          AND NOT EXISTS (SELECT FROM myriad.published p WHERE p.run = counted.run)
          AND NOT EXISTS (
              SELECT FROM myriad.version v WHERE v.run = counted.run AND v.report IS NOT NULL
          )
          AND NOT EXISTS (
              SELECT FROM pg_stat_activity s
              WHERE s.pid = counted.backend AND s.backend_start = counted.backend_start
          )
    ) FOR UPDATE SKIP LOCKED
),
rejects AS (DELETE FROM myriad.reject WHERE run IN (SELECT run FROM old))
DELETE FROM myriad.run WHERE run IN (SELECT run FROM old);

-- name: runs
-- One that runs in a session that is gone ended without a word.
SELECT r.run, r.started, r.finished, r.dataset, r.tables, r.sources, r.kind, r.account, r.person,
       r.rows, r.bytes, r.seconds, r.error, r.report,
       CASE WHEN r.outcome = 'running' AND a.pid IS NULL THEN 'killed' ELSE r.outcome END AS outcome,
       (SELECT jsonb_object_agg(v.name, v.number) FROM myriad.version v
        WHERE v.report IS NOT NULL AND v.dataset = r.dataset AND (
            v.run = r.run
            OR r.kind = 'undo' AND EXISTS ( -- it shows what another run made
                SELECT FROM jsonb_array_elements(r.report -> 'tables') AS t
                WHERE t ->> 'table' = v.name AND t ->> 'of_run' = v.run::text
            )
        )) AS versions
FROM myriad.run r
LEFT JOIN pg_stat_activity a ON a.pid = r.backend AND a.backend_start = r.backend_start
WHERE (%(dataset)s::text IS NULL OR r.dataset = %(dataset)s)
  AND (%(table)s::text IS NULL OR r.tables @> ARRAY[%(table)s::text])
ORDER BY r.started DESC, r.run LIMIT %(limit)s;
