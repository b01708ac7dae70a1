-- name: table
SELECT c.oid, c.relkind, pg_get_userbyid(c.relowner) AS owner, c.relowner = r.oid AS ours
FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND r.rolname = session_user;

-- name: columns
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' AS has_default
FROM pg_attribute a
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: obstacles
-- What hangs on a table and would be lost with it; %(made)s is what Myriad made itself.
SELECT 'row level security' FROM pg_class WHERE oid = %(oid)s AND relrowsecurity
UNION ALL SELECT 'policy ' || polname FROM pg_policy WHERE polrelid = %(oid)s
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class = %(oid)s
UNION ALL SELECT 'child table ' || inhrelid::regclass FROM pg_inherits WHERE inhparent = %(oid)s
UNION ALL SELECT 'parent table ' || inhparent::regclass FROM pg_inherits WHERE inhrelid = %(oid)s
UNION ALL SELECT 'publication ' || p.pubname FROM pg_publication_rel r
    JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = %(oid)s
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint
    WHERE conrelid = %(oid)s AND contype IN ('c', 'x', 'u', 'f') AND NOT conname = ANY(%(made)s)
UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext WHERE stxrelid = %(oid)s
UNION ALL SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s
      AND d.classid = 'pg_proc'::regclass;

-- name: views
-- Views over the table and views over those, the nearest first; `depth` is the longest way.
WITH RECURSIVE above(oid, depth) AS (
    SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = ANY(%(oids)s) AND NOT r.ev_class = ANY(%(oids)s)
    UNION
    SELECT r.ev_class, a.depth + 1 FROM above a
    JOIN pg_depend d ON d.refobjid = a.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> a.oid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
)
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
       pg_get_userbyid(c.relowner) AS owner, pg_get_viewdef(c.oid) AS definition,
       c.reloptions AS options, obj_description(c.oid, 'pg_class') AS comment,
       c.relkind NOT IN ('v', 'm')
           OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)
           OR EXISTS (SELECT FROM pg_attrdef f WHERE f.adrelid = c.oid)
           OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN')
           AS special,
       (SELECT array_agg(pg_get_indexdef(i.indexrelid)) FROM pg_index i WHERE i.indrelid = c.oid)
           AS indexes
FROM (SELECT oid, max(depth) AS depth FROM above GROUP BY oid) a
JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY a.depth, c.oid;

-- name: grants
-- Everything granted on a relation or its columns, but for what its owner has anyway.
SELECT NULL AS "column", pg_get_userbyid(x.grantee) AS grantee,
       x.grantee = 0 AS is_public, x.privilege_type AS privilege, x.is_grantable AS grantable
FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = %(oid)s AND x.grantee <> c.relowner
UNION ALL
SELECT a.attname, pg_get_userbyid(x.grantee), x.grantee = 0, x.privilege_type, x.is_grantable
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped AND x.grantee <> c.relowner;

-- name: comments
SELECT NULL AS "column", obj_description(%(oid)s, 'pg_class') AS comment
UNION ALL
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped;

-- name: references
-- Foreign keys of other tables that point here.
SELECT conrelid::regclass::text AS holder, conrelid, conname AS name,
       pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY(%(oids)s) AND NOT conrelid = ANY(%(oids)s);

-- name: key
SELECT a.attname FROM pg_constraint k, unnest(k.conkey) WITH ORDINALITY AS c(attnum, place)
JOIN pg_attribute a ON a.attrelid = %(oid)s AND a.attnum = c.attnum
WHERE k.conrelid = %(oid)s AND k.contype = 'p' ORDER BY c.place;

-- name: taken
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(dataset)s;

-- name: indexes
-- Indexes that no constraint owns: name, and what follows the table's name in their definition.
SELECT i.relname AS name, x.indisunique AS is_unique,
       substr(pg_get_indexdef(i.oid), 1 + length(format('CREATE %%sINDEX %%I ON %%I.%%I ',
           CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, n.nspname, c.relname)))
       AS rest
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indrelid = %(oid)s
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid);

-- name: blockers
SELECT a.pid, a.usename, a.application_name, clock_timestamp() - a.xact_start AS since
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.pid IN (
    SELECT l.pid FROM pg_locks l
    WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.relation = ANY(%(oids)s) AND l.granted)
ORDER BY a.xact_start LIMIT 3;
