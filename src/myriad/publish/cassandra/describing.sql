-- What is said of tables in Cassandra, in the control database.

-- name: facts
SELECT p.rows, p.report ->> 'source' AS source, p.finished, d.written, d.text AS description
FROM (SELECT %(keyspace)s::text AS keyspace, %(name)s::text AS name) AS t
LEFT JOIN public.cassandra_published p USING (keyspace, name)
LEFT JOIN public.cassandra_description d USING (keyspace, name);

-- name: written
INSERT INTO public.cassandra_description (keyspace, name, written)
VALUES (%(keyspace)s, %(name)s, %(comment)s)
ON CONFLICT (keyspace, name) DO UPDATE SET written = excluded.written;

-- name: describe
INSERT INTO public.cassandra_description (keyspace, name, text)
VALUES (%(keyspace)s, %(name)s, %(text)s)
ON CONFLICT (keyspace, name) DO UPDATE SET text = excluded.text, written = NULL;

-- name: forget
DELETE FROM public.cassandra_description WHERE keyspace = %(keyspace)s AND name = %(name)s;
