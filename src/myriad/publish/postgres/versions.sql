-- Relations of before: put away into schema myriad, told apart, and dropped when they are too old.

-- name: foreign_keys
-- Of these tables to others; one to itself stays.
SELECT k.conrelid::bigint AS oid, k.conname::text AS name, n.nspname::text AS dataset,
       t.relname::text AS "table",
       array(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c (attnum, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum
             ORDER BY c.place) AS columns,
       array(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS c (attnum, place)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.attnum
             ORDER BY c.place) AS target,
       k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update
FROM pg_constraint k
JOIN pg_class t ON t.oid = k.confrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE k.contype = 'f' AND k.conrelid = ANY(%(oids)s) AND k.confrelid <> k.conrelid
ORDER BY k.conrelid, k.conname;

-- name: parts
-- What shares its names with all tables of a schema, and moves with a table: indexes and sequences.
SELECT c.relname::text AS name, c.relkind::text AS kind, c.oid::bigint AS oid
FROM pg_class c WHERE c.oid IN (
    SELECT indexrelid FROM pg_index WHERE indrelid = %(oid)s
    UNION ALL
    SELECT objid FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
      AND refobjid = %(oid)s AND deptype IN ('a', 'i')
) AND c.relkind IN ('i', 'S')
ORDER BY c.oid;

-- name: holders
-- Who has a right to a relation, its columns or its sequences, but for its owner.
WITH parts AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl FROM pg_class c
    WHERE c.oid IN (
        SELECT r.oid FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE n.nspname = %(schema)s AND r.relname = %(relation)s
        UNION ALL
        SELECT d.objid FROM pg_depend d
        JOIN pg_class r ON r.oid = d.refobjid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.deptype IN ('a', 'i') AND n.nspname = %(schema)s AND r.relname = %(relation)s
    ) AND c.relkind IN ('r', 'S')
)
SELECT DISTINCT parts.relname::text AS name, parts.relkind::text AS kind, x.grantee = 0 AS is_public,
       pg_get_userbyid(x.grantee)::text AS grantee
FROM parts LEFT JOIN pg_attribute a ON a.attrelid = parts.oid AND a.attnum > 0
    AND NOT a.attisdropped AND a.attacl IS NOT NULL,
    aclexplode(parts.relacl || a.attacl) AS x
WHERE x.grantee <> parts.relowner;

-- name: loads
-- Which transactions loaded the rows of a relation of ours, and how many rows are theirs; no row
-- where that is not known. Numbers of transactions begin anew after 2^32: so old ones tell nothing.
SELECT format('%%I.%%I', n.nspname, c.relname) AS name,
       array_agg((v.xid & 4294967295)::text) AS xids, sum(v.loaded)::bigint AS loaded,
       EXISTS (
           SELECT FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner
           AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
       ) OR EXISTS (
           SELECT FROM pg_attribute a, aclexplode(a.attacl) x
           WHERE a.attrelid = c.oid AND x.grantee <> c.relowner
             AND x.privilege_type IN ('INSERT', 'UPDATE')
       ) OR pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) > 0
         -- counters that do not have what was loaded were lost, as in a crash: they tell nothing
         OR pg_stat_get_tuples_inserted(c.oid) <> sum(v.loaded) AS touched
FROM myriad.version v
JOIN pg_class c ON c.oid = v.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE v.oid = %(oid)s AND v.system = (SELECT system_identifier FROM pg_control_system())
GROUP BY c.oid, n.nspname
HAVING count(v.xid) = count(*)
   AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint - min(v.xid) < 4294967296;

-- name: known
SELECT 1 FROM myriad.published WHERE dataset = %(dataset)s AND name = %(name)s
UNION ALL
SELECT 1 FROM myriad.version WHERE dataset = %(dataset)s AND name = %(name)s
UNION ALL
SELECT 1 FROM myriad.run WHERE dataset = %(dataset)s AND tables @> ARRAY[%(name)s::text] LIMIT 1;

-- name: next_turn
SELECT coalesce(max(turn), 0) + 1 AS turn FROM myriad.version
WHERE dataset = %(dataset)s AND name = %(name)s;

-- name: next_number
-- No number is given twice: what somebody wrote down means the same for ever.
INSERT INTO myriad.numbered (dataset, name, last) VALUES (%(dataset)s, %(name)s, 1)
ON CONFLICT (dataset, name) DO UPDATE SET last = numbered.last + 1
RETURNING last AS number;

-- name: keep
WITH away AS (
    INSERT INTO myriad.kept (relation, dataset, name, names, foreign_keys)
    VALUES (%(relation)s, %(dataset)s, %(name)s, %(names)s, %(foreign_keys)s)
)
UPDATE myriad.version SET relation = %(relation)s
WHERE dataset = %(dataset)s AND name = %(name)s AND relation IS NULL;

-- name: forget_shown
DELETE FROM myriad.version
WHERE dataset = %(dataset)s AND name = %(name)s AND relation IS NULL;

-- name: show
-- What is published now is another version; what was unpublished is an older one like others.
WITH again AS (
    UPDATE myriad.kept SET unpublished = false
    WHERE dataset = %(dataset)s AND name = %(name)s AND unpublished
)
INSERT INTO myriad.version (dataset, name, turn, number, run, rows, report, xid, loaded, system, oid)
SELECT p.dataset, p.name, %(turn)s, %(number)s, p.run, p.rows, p.report, %(xid)s, %(loaded)s,
       (SELECT system_identifier FROM pg_control_system()), c.oid
FROM myriad.published p
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
WHERE p.dataset = %(dataset)s AND p.name = %(name)s;

-- name: too_old
-- What is not to be kept any longer of one table: all but the newest so many.
UPDATE myriad.version v SET report = NULL, apart = NULL
FROM (
    SELECT turn FROM myriad.version
    WHERE dataset = %(dataset)s AND name = %(name)s AND report IS NOT NULL
    ORDER BY turn DESC OFFSET %(keep)s + 1
) AS old
WHERE v.dataset = %(dataset)s AND v.name = %(name)s AND v.turn = old.turn;

-- name: unused
-- Relations that no version needs any more; one that another transaction is about to drop is its.
SELECT k.relation, k.dataset, k.name FROM myriad.kept k
WHERE NOT EXISTS (
    SELECT FROM myriad.version v
    WHERE v.report IS NOT NULL AND (v.relation = k.relation OR v.apart = k.relation)
)
ORDER BY k.relation FOR UPDATE SKIP LOCKED;

-- name: hold
-- Let nobody else drop what is kept of these tables.
SELECT relation FROM myriad.kept
WHERE dataset = %(dataset)s AND name = ANY(%(names)s) ORDER BY relation FOR UPDATE;

-- name: hold_keys
-- The same of what is kept of other tables and points to this one.
SELECT relation FROM myriad.kept
WHERE foreign_keys @> jsonb_build_array(
    jsonb_build_object('dataset', %(dataset)s::text, 'table', %(name)s::text))
ORDER BY relation FOR UPDATE;

-- name: sizes
-- Relations that are there, the newest first, with the bytes of each and all newer ones; but for
-- those that somebody needs right now: asking for the size of one of these would wait for them.
WITH free AS MATERIALIZED (
    SELECT relation, since FROM myriad.kept WHERE NOT unpublished FOR UPDATE SKIP LOCKED
),
there AS (
    SELECT f.relation, f.since, pg_total_relation_size(c.oid) AS bytes
    FROM free f
    JOIN pg_class c ON c.relname = f.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'myriad'
)
SELECT relation, (sum(bytes) OVER (ORDER BY since DESC, relation))::bigint AS total FROM there;

-- name: past
-- Nothing can be had again that needs this relation.
UPDATE myriad.version SET report = NULL, apart = NULL
WHERE relation = ANY(%(relations)s) OR apart = ANY(%(relations)s);

-- name: forgotten
-- Unpublished so long ago that nobody wants it back.
UPDATE myriad.version v SET report = NULL, apart = NULL
FROM (
    SELECT relation FROM myriad.kept
    WHERE unpublished AND since < clock_timestamp() - make_interval(secs => %(seconds)s)
    FOR UPDATE SKIP LOCKED
) AS k
WHERE v.relation = k.relation;

-- name: forget_versions
DELETE FROM myriad.version WHERE relation = %(relation)s;

-- name: forget_kept
DELETE FROM myriad.kept WHERE relation = %(relation)s;

-- name: unpublished
-- Of a table that was taken away only what was shown last can be had.
WITH last AS (
    UPDATE myriad.kept SET unpublished = true, since = clock_timestamp()
    WHERE relation = %(relation)s
)
UPDATE myriad.version SET report = NULL, apart = NULL
WHERE dataset = %(dataset)s AND name = %(name)s AND turn < (
    SELECT max(turn) FROM myriad.version WHERE dataset = %(dataset)s AND name = %(name)s
);

-- name: purge
-- Nothing can be had any more.
WITH shown AS (
    DELETE FROM myriad.version
    WHERE dataset = %(dataset)s AND name = %(name)s AND relation IS NULL
),
said AS (
    DELETE FROM myriad.description WHERE dataset = %(dataset)s AND name = %(name)s
)
UPDATE myriad.version SET report = NULL, apart = NULL
WHERE dataset = %(dataset)s AND name = %(name)s;

-- name: unpublish
DELETE FROM myriad.published WHERE dataset = %(dataset)s AND name = %(name)s;

-- name: newest
SELECT number FROM myriad.version
WHERE dataset = %(dataset)s AND name = %(name)s AND report IS NOT NULL
ORDER BY turn DESC LIMIT 1;

-- name: names
SELECT dataset, name FROM myriad.published UNION SELECT dataset, name FROM myriad.version;

-- name: published_in
SELECT name FROM myriad.published WHERE dataset = %(dataset)s ORDER BY name;

-- name: rename
-- Everywhere in the record a table has another name. Nobody expects it from its source any more.
WITH published AS (
    UPDATE myriad.published
    SET name = %(new)s, report = report - 'came' || jsonb_build_object('table', %(new)s::text)
    WHERE dataset = %(dataset)s AND name = %(name)s
),
version AS (
    UPDATE myriad.version
    SET name = %(new)s, report = report - 'came' || jsonb_build_object('table', %(new)s::text)
    WHERE dataset = %(dataset)s AND name = %(name)s
),
description AS (
    UPDATE myriad.description SET name = %(new)s
    WHERE dataset = %(dataset)s AND name = %(name)s
),
run AS (
    UPDATE myriad.run SET tables = array_replace(tables, %(name)s::text, %(new)s::text),
        report = CASE WHEN report ? 'tables' THEN jsonb_set(report, '{tables}', (
            SELECT coalesce(jsonb_agg(CASE
                WHEN t ->> 'table' = %(name)s THEN t || jsonb_build_object('table', %(new)s::text)
                ELSE t
            END ORDER BY place), '[]')
            FROM jsonb_array_elements(report -> 'tables') WITH ORDINALITY AS tables (t, place)
        )) ELSE report END
    WHERE dataset = %(dataset)s AND tables @> ARRAY[%(name)s::text]
),
reject AS (
    UPDATE myriad.reject SET table_name = %(new)s
    WHERE table_name = %(name)s AND run IN (
        SELECT run FROM myriad.run
        WHERE dataset = %(dataset)s AND tables @> ARRAY[%(name)s::text]
    )
),
gone AS (
    DELETE FROM myriad.numbered WHERE dataset = %(dataset)s AND name = %(name)s RETURNING last
),
numbered AS (
    INSERT INTO myriad.numbered (dataset, name, last)
    SELECT %(dataset)s, %(new)s, last FROM gone
    ON CONFLICT (dataset, name) DO UPDATE SET last = greatest(numbered.last, excluded.last)
)
UPDATE myriad.kept SET
    name = CASE WHEN dataset = %(dataset)s AND name = %(name)s THEN %(new)s ELSE name END,
    foreign_keys = (
        SELECT coalesce(jsonb_agg(CASE
            WHEN k ->> 'dataset' = %(dataset)s AND k ->> 'table' = %(name)s
            THEN k || jsonb_build_object('table', %(new)s::text) ELSE k
        END ORDER BY place), '[]')
        FROM jsonb_array_elements(foreign_keys) WITH ORDINALITY AS keys (k, place)
    )
WHERE dataset = %(dataset)s AND name = %(name)s
   OR foreign_keys @> jsonb_build_array(
       jsonb_build_object('dataset', %(dataset)s::text, 'table', %(name)s::text));

-- name: forget_name
WITH said AS (DELETE FROM myriad.description WHERE dataset = %(dataset)s AND name = %(name)s)
DELETE FROM myriad.version
WHERE dataset = %(dataset)s AND name = %(name)s AND report IS NULL;
