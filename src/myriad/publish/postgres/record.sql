-- name: publish_table
INSERT INTO myriad.published (dataset, name, run, rows, report)
VALUES (%(dataset)s, %(name)s, %(run)s, %(rows)s, %(report)s)
ON CONFLICT (dataset, name) DO UPDATE
SET run = excluded.run, rows = excluded.rows, report = excluded.report;

-- name: add_to_table
-- What came with the table stays, but for what is new of it; the rows add up, and the newest sources
-- are named. Nothing happens to a table not published.
UPDATE myriad.published SET run = %(run)s, rows = rows + %(rows)s,
    report = report || %(report)s || jsonb_build_object(
        'rows', rows + %(rows)s,
        'source', CASE
            WHEN %(source)s = ANY(string_to_array(report ->> 'source', ', '))
                THEN report ->> 'source'
            ELSE right((report ->> 'source') || ', ' || %(source)s::text, 4000)
        END,
        'marks', CASE
            WHEN (SELECT count(*) FROM jsonb_object_keys(report -> 'marks')) < 1000
                THEN coalesce(report -> 'marks', '{}') ELSE '{}' END || %(marks)s)
WHERE dataset = %(dataset)s AND name = %(name)s;

-- name: made
SELECT report -> 'made' FROM myriad.published WHERE dataset = %s AND name = %s;

-- name: last
SELECT rows, report FROM myriad.published WHERE dataset = %s AND name = %s;

-- name: came
-- As what the tables of a dataset that are there were published.
SELECT p.name, p.report -> 'came' AS came FROM myriad.published p
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
WHERE p.dataset = %s AND p.report ? 'came';

-- name: marked
-- Tables that are there and that were made of any of these sources.
SELECT p.name, p.report - 'added' - 'ddl' AS report, r.finished
FROM myriad.published p JOIN myriad.run r USING (run)
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
WHERE p.dataset = %(dataset)s AND jsonb_exists_any(p.report -> 'marks', %(named)s);

-- name: list
-- Tables that somebody dropped by hand are not listed. To ask for the size of one that somebody
-- locks entirely, or is about to, would wait for them; so would that of its index.
WITH locked AS MATERIALIZED (
    SELECT l.relation AS oid FROM pg_locks l
    WHERE l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation'
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
),
without_size AS MATERIALIZED (
    SELECT oid FROM locked
    UNION SELECT i.indrelid FROM pg_index i JOIN locked l ON l.oid = i.indexrelid
)
SELECT p.dataset, p.name, p.rows,
       CASE WHEN %(sizes)s AND c.oid NOT IN (SELECT oid FROM without_size)
            THEN pg_total_relation_size(c.oid) END AS bytes,
       r.finished, p.report ->> 'source' AS source
FROM myriad.published p
JOIN myriad.run r USING (run)
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
ORDER BY p.dataset, p.name;

-- name: show
SELECT p.report - 'added', r.finished,
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = p.dataset AND c.relname = p.name) AS there,
       (SELECT jsonb_agg(to_jsonb(x) - 'run') FROM
           (SELECT * FROM myriad.reject j
            WHERE j.run = p.run AND j.table_name = p.name ORDER BY line LIMIT 20) x) AS rejects
FROM myriad.published p JOIN myriad.run r USING (run)
WHERE p.dataset = %s AND p.name = %s;
