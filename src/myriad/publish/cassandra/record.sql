-- What is published to Cassandra, and what is on its way there, in the control database.

-- name: claim
SELECT pg_try_advisory_lock(hashtextextended(%s, 0));

-- name: release
SELECT pg_advisory_unlock(hashtextextended(%s, 0));

-- name: keyspace
SELECT database, dataset, made FROM public.cassandra_keyspace WHERE keyspace = %s;

-- name: keyspace_of
SELECT keyspace FROM public.cassandra_keyspace WHERE database = %s AND dataset = %s;

-- name: workspace
SELECT FROM public.workspace WHERE database = %s AND dataset = %s;

-- name: granted
-- Rights to tables one by one, which come with the tables.
SELECT FROM public.table_grant WHERE database = %s AND dataset = %s LIMIT 1;

-- name: announce_keyspace
INSERT INTO public.cassandra_keyspace (keyspace, database, dataset) VALUES (%s, %s, %s)
ON CONFLICT (keyspace) DO NOTHING;

-- name: withdraw_keyspace
DELETE FROM public.cassandra_keyspace WHERE keyspace = %s AND NOT made;

-- name: keyspace_made
UPDATE public.cassandra_keyspace SET made = true WHERE keyspace = %s;

-- name: load
SELECT staged, identity, stamp, acknowledged, state, plan, coalesce(ranges, '[]') AS ranges,
       published, nodes
FROM public.cassandra_load
WHERE keyspace = %s AND name = %s;

-- name: back
-- The version of a table that is being shown again.
SELECT number FROM public.cassandra_version
WHERE keyspace = %s AND name = %s AND back IS NOT NULL AND files IS NOT NULL;

-- name: leave_ahead
INSERT INTO public.cassandra_left VALUES (%s);

-- name: begin_load
WITH ahead AS (
    DELETE FROM public.cassandra_left WHERE staged = %(staged)s
), before AS (
    INSERT INTO public.cassandra_left
    SELECT staged FROM public.cassandra_load
    WHERE keyspace = %(keyspace)s AND name = %(name)s AND nodes IS NOT NULL AND staged <> %(staged)s
    ON CONFLICT DO NOTHING
)
INSERT INTO public.cassandra_load (keyspace, name, staged, identity, stamp, plan, nodes)
VALUES (%(keyspace)s, %(name)s, %(staged)s, %(identity)s, %(stamp)s, %(plan)s, %(nodes)s)
ON CONFLICT (keyspace, name) DO UPDATE SET staged = excluded.staged, identity = excluded.identity,
    stamp = excluded.stamp, plan = excluded.plan, acknowledged = 0, state = 'loading',
    ranges = NULL, published = NULL, nodes = excluded.nodes, touched = clock_timestamp();

-- name: acknowledged
UPDATE public.cassandra_load SET acknowledged = %s, touched = clock_timestamp()
WHERE keyspace = %s AND name = %s;

-- name: loaded
UPDATE public.cassandra_load SET state = 'loaded', ranges = %s, touched = clock_timestamp()
WHERE keyspace = %s AND name = %s;

-- name: switching
UPDATE public.cassandra_load
SET state = 'switching', plan = %(plan)s, ranges = %(ranges)s, published = %(published)s,
    touched = clock_timestamp()
WHERE keyspace = %(keyspace)s AND name = %(name)s;

-- name: unproven
-- What the table has now is something else than what was published: it is no longer that version,
-- which may be kept already, and must not take its place.
WITH load AS (
    UPDATE public.cassandra_load SET state = 'unproven' WHERE keyspace = %(keyspace)s AND name = %(name)s
)
UPDATE public.cassandra_published SET finished = clock_timestamp()
WHERE keyspace = %(keyspace)s AND name = %(name)s;

-- name: shown
UPDATE public.cassandra_load SET state = 'shown', touched = clock_timestamp()
WHERE keyspace = %s AND name = %s;

-- name: end_load
DELETE FROM public.cassandra_load WHERE keyspace = %s AND name = %s;

-- name: leave
-- Others than our own nodes have no staged table.
INSERT INTO public.cassandra_left
SELECT staged FROM public.cassandra_load
WHERE keyspace = %s AND name = %s AND nodes IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: staged
SELECT keyspace, name, staged, state, touched < clock_timestamp() - interval '1 day' AS old,
       state = 'switching' AND published IS NOT NULL AS unfinished
FROM public.cassandra_load;

-- name: publish
INSERT INTO public.cassandra_published
    (keyspace, name, run, started, rows, bytes, stamp, report, rejects, table_id)
VALUES (%(keyspace)s, %(name)s, %(run)s, %(started)s, %(rows)s, %(bytes)s, %(stamp)s, %(report)s,
    %(rejects)s, %(table_id)s)
ON CONFLICT (keyspace, name) DO UPDATE SET run = excluded.run, started = excluded.started,
    finished = clock_timestamp(), rows = excluded.rows, bytes = excluded.bytes,
    stamp = excluded.stamp, report = excluded.report, rejects = excluded.rejects,
    table_id = excluded.table_id;

-- name: append
-- What came with the table stays; the rows add up. Nothing happens to a table not published.
UPDATE public.cassandra_published SET run = %(run)s, started = %(started)s, finished = clock_timestamp(),
    rows = rows + %(rows)s, bytes = bytes + %(bytes)s, stamp = %(stamp)s, rejects = %(rejects)s,
    report = report || jsonb_build_object(
        'rows', rows + %(rows)s, 'source', (report ->> 'source') || ', ' || %(source)s::text,
        'marks', CASE
            WHEN (SELECT count(*) FROM jsonb_object_keys(report -> 'marks')) < 1000
                THEN coalesce(report -> 'marks', '{}') ELSE '{}' END
            || coalesce(%(report)s::jsonb -> 'marks', '{}'))
WHERE keyspace = %(keyspace)s AND name = %(name)s;

-- name: take_description
-- What its recipe says of a table; what is said stays.
INSERT INTO public.cassandra_description (keyspace, name, text)
VALUES (%(keyspace)s, %(name)s, %(text)s)
ON CONFLICT (keyspace, name) DO UPDATE SET text = excluded.text
WHERE cassandra_description.text IS NULL;

-- name: published
SELECT stamp, table_id, rows, report FROM public.cassandra_published WHERE keyspace = %s AND name = %s;

-- name: came
-- As what the tables of a keyspace were published.
SELECT name, report -> 'came' FROM public.cassandra_published WHERE keyspace = %s AND report ? 'came';

-- name: marked
-- Tables that were made of any of these sources.
SELECT p.keyspace, p.name, p.report, p.finished
FROM public.cassandra_published p JOIN public.cassandra_keyspace k USING (keyspace)
WHERE k.database = %(database)s AND k.dataset = %(dataset)s
  AND jsonb_exists_any(p.report -> 'marks', %(named)s);

-- name: list
SELECT k.database, k.dataset, p.keyspace, p.name, p.rows, p.bytes, p.finished,
       p.report ->> 'source' AS source
FROM public.cassandra_published p JOIN public.cassandra_keyspace k USING (keyspace)
ORDER BY 1, 2, 4;

-- name: show
SELECT p.report, k.dataset, p.finished, p.rejects
FROM public.cassandra_published p JOIN public.cassandra_keyspace k USING (keyspace)
WHERE k.database = %s AND k.dataset = %s AND p.name = %s;
