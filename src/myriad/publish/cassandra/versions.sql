-- What tables in Cassandra were before, in the control database.

-- name: keep
-- What is published becomes a version; nothing happens to a table that is another one. Content that
-- was a version before has its number yet; no number is given twice.
INSERT INTO public.cassandra_version (keyspace, name, number, files, published, made)
SELECT p.keyspace, p.name,
       coalesce(
           (SELECT v.number FROM public.cassandra_version v
            WHERE v.keyspace = p.keyspace AND v.name = p.name
              AND v.published ->> 'run' = p.run::text
              AND v.published ->> 'finished' = to_jsonb(p) ->> 'finished'),
           (SELECT coalesce(max(v.number), 0) + 1 FROM public.cassandra_version v
            WHERE v.keyspace = p.keyspace AND v.name = p.name)
       ),
       %(files)s, to_jsonb(p), %(made)s
FROM public.cassandra_published p
WHERE p.keyspace = %(keyspace)s AND p.name = %(name)s
ON CONFLICT (keyspace, name, number) DO UPDATE SET files = excluded.files, bytes = NULL,
    published = excluded.published, made = excluded.made, kept = excluded.kept, unpublished = false
RETURNING number;

-- name: unkept
UPDATE public.cassandra_version SET files = NULL WHERE files = %(files)s;

-- name: kept
UPDATE public.cassandra_version SET bytes = %(bytes)s WHERE files = %(files)s;

-- name: versions
SELECT number, files::text AS files, published, made, unpublished, back, awaits::text AS awaits
FROM public.cassandra_version
WHERE keyspace = %(keyspace)s AND name = %(name)s AND bytes IS NOT NULL AND files IS NOT NULL
ORDER BY kept DESC, number DESC;

-- name: too_old
UPDATE public.cassandra_version SET files = NULL WHERE (keyspace, name, number) IN (
    SELECT keyspace, name, number FROM public.cassandra_version
    WHERE keyspace = %(keyspace)s AND name = %(name)s AND bytes IS NOT NULL AND files IS NOT NULL
      AND back IS NULL
    ORDER BY kept DESC, number DESC OFFSET %(keep)s
);

-- name: forgotten
UPDATE public.cassandra_version SET files = NULL
WHERE unpublished AND back IS NULL AND kept < clock_timestamp() - %(seconds)s * interval '1 second';

-- name: too_large
-- The newest of one database stay, as far as they have room together; what was unpublished is not
-- bounded, as in PostgreSQL.
UPDATE public.cassandra_version SET files = NULL WHERE (keyspace, name, number) IN (
    SELECT keyspace, name, number FROM (
        SELECT keyspace, name, number,
               sum(bytes) OVER (ORDER BY kept DESC, keyspace, name, number) AS total, back
        FROM public.cassandra_version JOIN public.cassandra_keyspace k USING (keyspace)
        WHERE files IS NOT NULL AND bytes IS NOT NULL AND NOT unpublished AND k.database = (
            SELECT database FROM public.cassandra_keyspace WHERE keyspace = %(keyspace)s
        )
    ) AS summed
    WHERE total > %(most)s AND back IS NULL
);

-- name: forget_past
-- Of those without files the last number matters, and that of what is published.
DELETE FROM public.cassandra_version v
WHERE v.files IS NULL AND v.keyspace = %(keyspace)s AND v.name = %(name)s AND EXISTS (
    SELECT FROM public.cassandra_version l
    WHERE l.keyspace = v.keyspace AND l.name = v.name AND l.number > v.number
) AND NOT EXISTS (
    SELECT FROM public.cassandra_published p
    WHERE p.keyspace = v.keyspace AND p.name = v.name AND v.published ->> 'run' = p.run::text
      AND v.published ->> 'finished' = to_jsonb(p) ->> 'finished'
);

-- name: files
SELECT files::text AS files FROM public.cassandra_version WHERE files IS NOT NULL;

-- name: hold
-- Files of a version that has `back` stay; an empty one says no more than that.
UPDATE public.cassandra_version SET back = '{}', awaits = NULL
WHERE keyspace = %(keyspace)s AND name = %(name)s AND number = %(number)s AND files IS NOT NULL
RETURNING number;

-- name: return
UPDATE public.cassandra_version SET back = %(plan)s, awaits = %(awaits)s
WHERE keyspace = %(keyspace)s AND name = %(name)s AND number = %(number)s AND back IS NOT NULL;

-- name: returned
-- An older version is what is published; a run that was cut short is done by that.
WITH run AS (
    UPDATE public.cassandra_run SET outcome = 'done', finished = clock_timestamp(), error = NULL
    WHERE run = %(run)s AND outcome <> 'done'
),
gone AS (
    UPDATE public.cassandra_version SET files = NULL, back = NULL
    WHERE keyspace = %(keyspace)s AND name = %(name)s AND number = %(number)s
    RETURNING published
),
back AS (
    SELECT (jsonb_populate_record(
        NULL::public.cassandra_published,
        published || jsonb_build_object('table_id', %(table_id)s::text)
    )).* FROM gone
)
INSERT INTO public.cassandra_published
    (keyspace, name, run, started, finished, rows, bytes, stamp, report, rejects, table_id)
SELECT keyspace, name, run, started, finished, rows, bytes, stamp, report, rejects, table_id FROM back
ON CONFLICT (keyspace, name) DO UPDATE SET run = excluded.run, started = excluded.started,
    finished = excluded.finished, rows = excluded.rows, bytes = excluded.bytes,
    stamp = excluded.stamp, report = excluded.report, rejects = excluded.rejects,
    table_id = excluded.table_id;

-- name: returning
-- All that are being shown again.
SELECT keyspace, name FROM public.cassandra_version WHERE back IS NOT NULL AND files IS NOT NULL;

-- name: unpublish
DELETE FROM public.cassandra_published WHERE keyspace = %(keyspace)s AND name = %(name)s;

-- name: unpublished
-- Only what was shown last can be had.
UPDATE public.cassandra_version SET unpublished = number = %(number)s,
    kept = clock_timestamp(), files = CASE WHEN number = %(number)s THEN files END
WHERE keyspace = %(keyspace)s AND name = %(name)s;

-- name: of_published
-- The version that has what is published.
SELECT v.number
FROM public.cassandra_version v JOIN public.cassandra_published p USING (keyspace, name)
WHERE keyspace = %(keyspace)s AND name = %(name)s AND v.files IS NOT NULL AND v.bytes IS NOT NULL
  AND v.published ->> 'run' = p.run::text
  AND v.published ->> 'finished' = to_jsonb(p) ->> 'finished';

-- name: purge
UPDATE public.cassandra_version SET files = NULL
WHERE keyspace = %(keyspace)s AND name = %(name)s;

-- name: known
-- The keyspace in which a table of a dataset is published, was, or should have been.
SELECT k.keyspace FROM public.cassandra_keyspace k
WHERE k.database = %(database)s AND k.dataset = %(dataset)s AND (
    EXISTS (SELECT FROM public.cassandra_published p
            WHERE p.keyspace = k.keyspace AND p.name = %(name)s)
    OR EXISTS (SELECT FROM public.cassandra_version v
               WHERE v.keyspace = k.keyspace AND v.name = %(name)s AND v.files IS NOT NULL)
);

-- name: published_in
SELECT p.name FROM public.cassandra_published p JOIN public.cassandra_keyspace k USING (keyspace)
WHERE k.database = %(database)s AND k.dataset = %(dataset)s ORDER BY p.name;

-- name: said
SELECT d.text FROM public.cassandra_description d JOIN public.cassandra_keyspace k USING (keyspace)
WHERE k.database = %(database)s AND k.dataset = %(dataset)s AND d.name = %(name)s
  AND d.text IS NOT NULL;
