-- name: create
-- What was published stands in the same database as the data, so that one transaction
-- changes both. Only Myriad may look.
CREATE SCHEMA myriad;
REVOKE ALL ON SCHEMA myriad FROM PUBLIC;
CREATE TABLE myriad.run (
    run uuid PRIMARY KEY,
    started timestamptz NOT NULL,
    finished timestamptz NOT NULL DEFAULT clock_timestamp(),
    dataset text NOT NULL,
    sources text[] NOT NULL,
    report jsonb NOT NULL
);
CREATE TABLE myriad.published (
    dataset text NOT NULL,
    name text NOT NULL,
    run uuid NOT NULL REFERENCES myriad.run,
    rows bigint NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (dataset, name)
);
CREATE TABLE myriad.reject (
    run uuid NOT NULL REFERENCES myriad.run,
    source text NOT NULL,
    table_name text NOT NULL,
    line bigint NOT NULL,
    raw text NOT NULL,
    reason text NOT NULL
);

-- name: there
-- Tables of somebody else under these names are not the record: their triggers would run as us.
SELECT count(*) = 3 FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles r ON r.oid = c.relowner AND r.oid = n.nspowner
WHERE n.nspname = 'myriad' AND c.relname IN ('run', 'published', 'reject')
  AND c.relkind = 'r' AND r.rolname = current_user;

-- name: insert_run
INSERT INTO myriad.run (run, started, dataset, sources, report)
VALUES (%(run)s, %(started)s, %(dataset)s, %(sources)s, %(report)s);

-- name: publish_table
INSERT INTO myriad.published (dataset, name, run, rows, report)
VALUES (%(dataset)s, %(name)s, %(run)s, %(rows)s, %(report)s)
ON CONFLICT (dataset, name) DO UPDATE
SET run = excluded.run, rows = excluded.rows, report = excluded.report;

-- name: append_table
-- What came with the table stays; the rows add up. Nothing happens to a table not published.
UPDATE myriad.published SET run = %(run)s, rows = rows + %(rows)s,
    report = report || jsonb_build_object(
        'rows', rows + %(rows)s, 'source', (report ->> 'source') || ', ' || %(source)s::text)
WHERE dataset = %(dataset)s AND name = %(name)s;

-- name: made
SELECT report -> 'made' FROM myriad.published WHERE dataset = %s AND name = %s;

-- name: list
-- Tables that somebody dropped by hand are not listed.
SELECT p.dataset, p.name, p.rows, pg_total_relation_size(c.oid) AS bytes,
       r.finished, p.report ->> 'source' AS source
FROM myriad.published p
JOIN myriad.run r USING (run)
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
ORDER BY p.dataset, p.name;

-- name: show
SELECT p.report, r.finished,
       (SELECT jsonb_agg(to_jsonb(x) - 'run') FROM
           (SELECT * FROM myriad.reject j
            WHERE j.run = p.run AND j.table_name = p.name ORDER BY line LIMIT 20) x) AS rejects
FROM myriad.published p JOIN myriad.run r USING (run)
WHERE p.dataset = %s AND p.name = %s;
