-- Going back: which versions of tables there are, and what is written down of a return.

-- name: states
-- All that can be had of a dataset's tables, or of one, the newest first. `later` are the versions
-- whose rows stand in the same relation and do not belong to this one: `added` of them, by
-- transactions `xids`; `proven` says whether these numbers still tell which rows they are.
SELECT v.name, v.turn, v.number, v.run::text, v.rows, v.report, v.relation, v.apart, v.xid, v.loaded,
       c.oid::bigint AS oid, r.finished, coalesce(k.names, '{}') AS names,
       coalesce(k.foreign_keys, '[]') AS foreign_keys,
       coalesce(later.turns, '{}') AS later, coalesce(later.xids, '{}') AS xids,
       coalesce(later.added, 0)::bigint AS added, coalesce(later.proven, true) AS proven
FROM myriad.version v
LEFT JOIN myriad.kept k ON k.relation = v.relation
LEFT JOIN myriad.run r ON r.run = v.run
JOIN pg_namespace n ON n.nspname = CASE WHEN v.relation IS NULL THEN v.dataset ELSE 'myriad' END
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = coalesce(v.relation, v.name)
CROSS JOIN LATERAL (
    SELECT array_agg(l.turn ORDER BY l.xid) AS turns,
           array_agg((l.xid & 4294967295)::text) AS xids, sum(l.loaded) AS added,
           bool_and(
               l.oid = c.oid AND l.system = (SELECT system_identifier FROM pg_control_system())
           ) AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint - (
               SELECT min(coalesce(b.xid, 0)) FROM myriad.version b
               WHERE b.dataset = v.dataset AND b.name = v.name
                 AND b.relation IS NOT DISTINCT FROM v.relation
           ) < 4294967296 AS proven
    FROM myriad.version l
    WHERE l.dataset = v.dataset AND l.name = v.name
      AND l.relation IS NOT DISTINCT FROM v.relation
      AND l.xid > coalesce(v.xid, 0) AND l.loaded > 0
) AS later
WHERE v.dataset = %(dataset)s AND (%(name)s::text IS NULL OR v.name = %(name)s)
  AND v.report IS NOT NULL
ORDER BY v.name, v.turn DESC;

-- name: run
SELECT dataset, report FROM myriad.run WHERE run::text = %(run)s AND outcome = 'done';

-- name: columns
-- Those that can be filled.
SELECT attname::text AS name FROM pg_attribute
WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum;

-- name: set_apart
-- Rows of this version lie in a relation of their own.
WITH apart AS (
    INSERT INTO myriad.kept (relation, dataset, name)
    VALUES (%(relation)s, %(dataset)s, %(name)s)
)
UPDATE myriad.version SET apart = %(relation)s
WHERE dataset = %(dataset)s AND name = %(name)s AND turn = %(turn)s;

-- name: taken_out
-- No row that these versions loaded is in their relation any more.
UPDATE myriad.version SET loaded = 0
WHERE dataset = %(dataset)s AND name = %(name)s AND turn = ANY(%(turns)s);

-- name: show_now
-- An older version is shown last now; its number stays.
UPDATE myriad.version SET turn = %(next)s, apart = NULL
WHERE dataset = %(dataset)s AND name = %(name)s AND turn = %(turn)s;

-- name: load_again
-- Rows that lay apart were put in by another transaction; what the version loaded before is noted
-- under its old turn.
WITH before AS (
    INSERT INTO myriad.version (dataset, name, turn, number, run, rows, relation, xid, loaded, system,
                                oid)
    SELECT dataset, name, %(turn)s, number, run, rows, relation, xid, loaded, system, oid
    FROM myriad.version
    WHERE dataset = %(dataset)s AND name = %(name)s AND turn = %(next)s
)
UPDATE myriad.version SET xid = %(xid)s, loaded = %(loaded)s
WHERE dataset = %(dataset)s AND name = %(name)s AND turn = %(next)s;

-- name: shown_again
UPDATE myriad.version SET relation = NULL
WHERE relation = %(relation)s;

-- name: republish
INSERT INTO myriad.published (dataset, name, run, rows, report)
SELECT dataset, name, run, rows, report || %(change)s FROM myriad.version
WHERE dataset = %(dataset)s AND name = %(name)s AND turn = %(turn)s
ON CONFLICT (dataset, name) DO UPDATE
SET run = excluded.run, rows = excluded.rows, report = excluded.report;
