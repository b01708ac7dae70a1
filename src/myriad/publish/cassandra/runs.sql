-- Runs that changed tables in Cassandra, or tried to, in the control database: as postgres/runs.sql.

-- name: begin
INSERT INTO public.cassandra_run (run, started, database, dataset, sources, kind, outcome, account,
                                  tables, backend, backend_start)
SELECT %(run)s, %(started)s, %(database)s, %(dataset)s, %(sources)s, %(kind)s, 'running',
       %(account)s, %(tables)s, pid, backend_start
FROM pg_stat_activity WHERE pid = pg_backend_pid()
ON CONFLICT (run) DO NOTHING;

-- name: done
UPDATE public.cassandra_run r SET finished = clock_timestamp(), outcome = 'done',
    report = %(report)s, sources = %(sources)s, tables = %(tables)s::text[], rows = %(rows)s,
    seconds = %(seconds)s,
    bytes = (
        SELECT sum(p.bytes)
        FROM public.cassandra_published p JOIN public.cassandra_keyspace k USING (keyspace)
        WHERE k.database = r.database AND k.dataset = r.dataset
          AND p.name = ANY(%(tables)s::text[])
    )
WHERE run = %(run)s;

-- name: published
WITH report AS (
    SELECT run, coalesce(report -> 'tables', '[]') || %(table)s AS tables
    FROM public.cassandra_run WHERE run = %(run)s
)
UPDATE public.cassandra_run r SET
    report = r.report || jsonb_build_object('tables', p.tables),
    rows = coalesce(r.rows, 0) + %(rows)s,
    bytes = (
        SELECT sum(c.bytes)
        FROM public.cassandra_published c JOIN public.cassandra_keyspace k USING (keyspace)
        WHERE k.database = r.database AND k.dataset = r.dataset AND c.name = ANY(r.tables)
    ),
    seconds = extract(epoch FROM clock_timestamp() - r.started),
    finished = clock_timestamp(),
    outcome = CASE WHEN %(by_another)s AND jsonb_array_length(p.tables) >= cardinality(r.tables)
                   THEN 'done' ELSE r.outcome END
FROM report p WHERE r.run = p.run AND r.outcome = 'running';

-- name: failed
INSERT INTO public.cassandra_run (run, started, finished, database, dataset, sources, kind, outcome,
                                  account, tables, seconds, error)
VALUES (%(run)s, %(started)s, clock_timestamp(), %(database)s, %(dataset)s, %(sources)s, %(kind)s,
        %(outcome)s, %(account)s, %(tables)s, %(seconds)s, %(error)s)
ON CONFLICT (run) DO UPDATE
SET finished = excluded.finished, outcome = excluded.outcome, seconds = excluded.seconds,
    sources = excluded.sources, tables = excluded.tables, error = excluded.error
WHERE cassandra_run.outcome = 'running';

-- name: forget
-- The newest runs of the same tables stay, and of all in the dataset fifty times as many; so do
-- those that run.
DELETE FROM public.cassandra_run WHERE run IN (
    SELECT run FROM (
        SELECT run, backend, backend_start, row_number() OVER (
            PARTITION BY tables = %(tables)s::text[] ORDER BY started DESC
        ) AS place, tables = %(tables)s::text[] AS same
        FROM public.cassandra_run WHERE database = %(database)s AND dataset = %(dataset)s
    ) AS counted
    WHERE place > CASE WHEN same THEN %(keep)s ELSE 50 * %(keep)s END
      AND NOT EXISTS (
          SELECT FROM pg_stat_activity s
          WHERE s.pid = counted.backend AND s.backend_start = counted.backend_start
      )
);

-- name: runs
-- One that runs in a session that is gone ended without a word; perhaps somebody finished it.
SELECT r.run, r.started, r.finished, r.database, r.dataset, r.tables, r.sources, r.kind, r.account,
       r.person, r.rows, r.bytes, r.seconds, r.error, r.report,
       CASE WHEN r.outcome <> 'running' OR a.pid IS NOT NULL THEN r.outcome
            WHEN r.kind = 'publish' AND NOT EXISTS (
                SELECT FROM unnest(r.tables) AS t (name) WHERE NOT EXISTS (
                    SELECT FROM public.cassandra_published p WHERE p.run = r.run AND p.name = t.name
                ) AND NOT EXISTS (
                    SELECT FROM public.cassandra_version v
                    WHERE v.published ->> 'run' = r.run::text AND v.name = t.name
                )
            ) THEN 'done'
            ELSE 'killed' END AS outcome,
       (SELECT jsonb_object_agg(v.name, v.number) FROM public.cassandra_version v
        WHERE v.published ->> 'run' = r.run::text AND v.files IS NOT NULL AND v.bytes IS NOT NULL
       ) AS versions
FROM public.cassandra_run r
LEFT JOIN pg_stat_activity a ON a.pid = r.backend AND a.backend_start = r.backend_start
WHERE (%(database)s::text IS NULL OR r.database = %(database)s)
  AND (%(dataset)s::text IS NULL OR r.dataset = %(dataset)s)
  AND (%(table)s::text IS NULL OR r.tables @> ARRAY[%(table)s::text])
ORDER BY r.started DESC, r.run LIMIT %(limit)s;

-- name: known
SELECT 1 FROM public.cassandra_run
WHERE database = %(database)s AND dataset = %(dataset)s AND tables @> ARRAY[%(table)s::text] LIMIT 1;

-- name: of
SELECT dataset, tables FROM public.cassandra_run WHERE run::text = %(run)s AND outcome = 'done';
