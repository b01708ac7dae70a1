-- What is said of tables: by people, by `describe`, and by Myriad of how fresh they are.

-- name: facts
SELECT p.rows, p.report ->> 'source' AS source,
       coalesce(r.finished, clock_timestamp()) AS finished, p.comment AS written,
       obj_description(c.oid, 'pg_class') AS said,
       (SELECT d.text FROM myriad.description d
        WHERE d.dataset = p.dataset AND d.name = p.name AND d."column" = '') AS description
FROM myriad.published p
JOIN myriad.run r ON r.run = p.run
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
WHERE p.dataset = %(dataset)s AND p.name = %(name)s;

-- name: columns
-- Columns that somebody described, with what is said of them; a name of the source's says nothing.
SELECT d."column" AS name, d.text
FROM myriad.description d
JOIN myriad.published p ON p.dataset = d.dataset AND p.name = d.name
JOIN pg_namespace n ON n.nspname = d.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.name
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = d."column" AND NOT a.attisdropped
WHERE d.dataset = %(dataset)s AND d.name = %(name)s AND (
    col_description(c.oid, a.attnum) IS NULL
    OR EXISTS (
        SELECT FROM jsonb_array_elements(p.report -> 'columns') AS k
        WHERE k ->> 'name' = d."column"
        AND col_description(c.oid, a.attnum) IN (k ->> 'original', k ->> 'comment')
    )
);

-- name: written
UPDATE myriad.published SET comment = %(comment)s
WHERE dataset = %(dataset)s AND name = %(name)s;

-- name: said
SELECT "column", text FROM myriad.description
WHERE dataset = %(dataset)s AND name = %(name)s ORDER BY "column";

-- name: take
INSERT INTO myriad.description (dataset, name, "column", text)
VALUES (%(dataset)s, %(name)s, %(column)s, %(text)s)
ON CONFLICT (dataset, name, "column") DO NOTHING;

-- name: describe
INSERT INTO myriad.description (dataset, name, "column", text)
VALUES (%(dataset)s, %(name)s, %(column)s, %(text)s)
ON CONFLICT (dataset, name, "column") DO UPDATE SET text = excluded.text;

-- name: describe_no_more
DELETE FROM myriad.description
WHERE dataset = %(dataset)s AND name = %(name)s AND "column" = %(column)s;
