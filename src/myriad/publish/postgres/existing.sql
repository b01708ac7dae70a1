-- name: table
SELECT c.oid, c.relkind, pg_get_userbyid(c.relowner) AS owner, c.relowner = r.oid AS ours
FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(dataset)s AND c.relname = %(name)s AND r.rolname = session_user;

-- name: dataset
-- Whose a dataset is: a superuser, and whoever owns the database, may do anything there anyway.
SELECT r.rolname AS owner, r.rolsuper OR r.rolname IN (session_user, 'pg_database_owner') AS ours,
       EXISTS (
           SELECT FROM aclexplode(n.nspacl) AS a JOIN pg_roles AS w ON w.oid = a.grantee
           WHERE w.rolname ~ '^myriad_workspace_'
       ) AS workspace
FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = %(dataset)s;

-- name: columns
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' AS has_default
FROM pg_attribute a
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: column_types
SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped ORDER BY attnum;

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

-- name: foreign_code
-- What somebody else made and would run with our rights when these relations of ours are filled:
-- functions, operators, types and views, in their triggers, defaults, constraints, indexes and
-- rules, and in what those use. What PostgreSQL itself has is pinned: nothing depends on it.
WITH RECURSIVE parts(relation, classid, objid) AS (
    SELECT tgrelid, 'pg_trigger'::regclass::oid, oid FROM pg_trigger
    UNION ALL SELECT adrelid, 'pg_attrdef'::regclass::oid, oid FROM pg_attrdef
    UNION ALL SELECT conrelid, 'pg_constraint'::regclass::oid, oid FROM pg_constraint
    UNION ALL SELECT indrelid, 'pg_class'::regclass::oid, indexrelid FROM pg_index
    UNION ALL SELECT stxrelid, 'pg_statistic_ext'::regclass::oid, oid FROM pg_statistic_ext
    UNION ALL SELECT ev_class, 'pg_rewrite'::regclass::oid, oid FROM pg_rewrite
),
reached(classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, oid FROM unnest(%(oids)s::oid[]) AS oid
    UNION SELECT classid, objid FROM parts WHERE relation = ANY(%(oids)s)
    UNION
    SELECT next.classid, next.objid FROM reached r CROSS JOIN LATERAL (
        SELECT d.refclassid AS classid, d.refobjid AS objid FROM pg_depend d
        WHERE d.classid = r.classid AND d.objid = r.objid AND d.refclassid IN (
            'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass)
        UNION ALL
        SELECT 'pg_rewrite'::regclass::oid, w.oid FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
        WHERE r.classid = 'pg_class'::regclass AND w.ev_class = r.objid AND c.relkind = 'v'
        UNION ALL
        SELECT 'pg_constraint'::regclass::oid, k.oid FROM pg_constraint k
        WHERE r.classid = 'pg_type'::regclass AND k.contypid = r.objid
    ) AS next
),
owned(classid, objid, owner) AS (
    SELECT 'pg_proc'::regclass::oid, oid, proowner FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass::oid, oid, typowner FROM pg_type
    UNION ALL SELECT 'pg_operator'::regclass::oid, oid, oprowner FROM pg_operator
    UNION ALL SELECT 'pg_class'::regclass::oid, oid, relowner FROM pg_class WHERE relkind = 'v'
)
SELECT pg_describe_object(o.classid, o.objid, 0) AS what, u.rolname AS owner
FROM reached JOIN owned o USING (classid, objid) JOIN pg_roles u ON u.oid = o.owner
WHERE NOT u.rolsuper AND u.rolname <> session_user
ORDER BY 1;

-- name: foreign_types
-- Types of somebody else's, in views or their indexes, whose values are checked by code of theirs,
-- also where one only stands in a definition that is read again: domains, ranges, rows of them.
WITH RECURSIVE reached(classid, objid, part) AS (
    SELECT 'pg_rewrite'::regclass::oid, oid, ev_class FROM pg_rewrite WHERE ev_class = ANY(%(oids)s)
    UNION SELECT 'pg_class'::regclass::oid, indexrelid, indrelid FROM pg_index
    WHERE indrelid = ANY(%(oids)s)
    UNION
    SELECT next.classid, next.objid, r.part FROM reached r CROSS JOIN LATERAL (
        SELECT d.refclassid AS classid, d.refobjid AS objid FROM pg_depend d
        WHERE d.classid = r.classid AND d.objid = r.objid AND (
            d.refclassid = 'pg_type'::regclass
            OR r.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass
            OR r.classid = 'pg_type'::regclass
                AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass))
        UNION ALL
        SELECT 'pg_constraint'::regclass::oid, k.oid FROM pg_constraint k
        WHERE r.classid = 'pg_type'::regclass AND k.contypid = r.objid
    ) AS next
)
SELECT r.part::regclass::text AS view, pg_describe_object(r.classid, r.objid, 0) AS what,
       u.rolname AS owner
FROM reached r
LEFT JOIN pg_type t ON r.classid = 'pg_type'::regclass AND t.oid = r.objid
LEFT JOIN pg_proc p ON r.classid = 'pg_proc'::regclass AND p.oid = r.objid
JOIN pg_roles u ON u.oid = coalesce(t.typowner, p.proowner)
WHERE (p.oid IS NOT NULL OR t.typtype IN ('c', 'd', 'm', 'r'))
  AND NOT u.rolsuper AND u.rolname <> session_user
ORDER BY 1, 2;

-- name: hold_schemas
-- Whoever owns a schema could rename it meanwhile, and its name would lead us to something else.
SELECT n.oid FROM pg_namespace n
WHERE n.oid IN (SELECT relnamespace FROM pg_class WHERE oid = ANY(%(oids)s))
  AND n.nspowner NOT IN (
      SELECT oid FROM pg_roles
      WHERE rolsuper OR rolname IN (session_user, 'pg_database_owner'))
FOR UPDATE;

-- name: views
-- Views over the table and views over those, the nearest first; `depth` is the longest way.
-- Asks nothing that waits for whoever has locked a relation.
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
       pg_get_userbyid(c.relowner) AS owner,
       pg_get_userbyid(c.relowner) = session_user AS ours,
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

-- name: definition
-- Locks all that a view reads, as a reader does: to be asked only where that waits briefly.
SELECT pg_get_viewdef(%(oid)s::oid) AS definition;

-- name: grants
-- Everything granted on a relation or its columns, but for what its owner has anyway.
SELECT NULL AS "column", pg_get_userbyid(x.grantee) AS grantee,
       x.grantee = 0 AS is_public, x.privilege_type AS privilege, x.is_grantable AS grantable
FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = %(oid)s AND x.grantee <> c.relowner
UNION ALL
SELECT a.attname, pg_get_userbyid(x.grantee), x.grantee = 0, x.privilege_type, x.is_grantable
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped AND x.grantee <> c.relowner;

-- name: default_rights
-- What a table gets that Myriad makes in a dataset.
SELECT NULL AS "column", x.grantee = 0 AS is_public, pg_get_userbyid(x.grantee) AS grantee,
       x.privilege_type AS privilege, x.is_grantable AS grantable
FROM pg_default_acl d, aclexplode(d.defaclacl) x
WHERE d.defaclobjtype = 'r' AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = session_user)
  AND d.defaclnamespace IN (0, (SELECT oid FROM pg_namespace WHERE nspname = %(dataset)s))
  AND x.grantee <> d.defaclrole;

-- name: comments
SELECT NULL AS "column", obj_description(%(oid)s, 'pg_class') AS comment
UNION ALL
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped;

-- name: references
-- Foreign keys that point to tables, but for those of the tables %(but)s.
SELECT conrelid::regclass::text AS holder, conrelid, conname AS name,
       pg_get_constraintdef(oid) AS definition,
       -- a type of theirs may have a cast of theirs
       (SELECT min(format('type %%s of %%I', t.oid::regtype, u.rolname))
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_roles u ON u.oid = t.typowner
        WHERE a.attrelid = conrelid AND a.attnum = ANY(conkey)
          AND NOT u.rolsuper AND u.rolname <> session_user) AS strange
FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY(%(oids)s) AND NOT conrelid = ANY(%(but)s);

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

-- name: words
-- Words of SQL, which it takes for a name only in quotes.
SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T');

-- name: joined
-- Tables that foreign keys join with tables.
SELECT DISTINCT unnest(ARRAY[conrelid, confrelid]) AS oid FROM pg_constraint
WHERE contype = 'f' AND (conrelid = ANY(%(oids)s) OR confrelid = ANY(%(oids)s));

-- name: beneath
-- Relations that these views read: a definition is told only to who may read them.
SELECT DISTINCT d.refobjid AS oid
FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
WHERE r.ev_class = ANY(%(oids)s) AND d.refclassid = 'pg_class'::regclass;

-- name: blockers
-- Those who hold what is in the way, or else who wait for it, as whoever comes later waits for
-- them, and for whom these wait. An autovacuum has no user; a parallel worker holds what its leader
-- holds.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT l.pid, l.granted FROM pg_locks l
    WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.relation = ANY(%(oids)s) AND l.mode <> ALL(%(beside)s)
),
blocking(pid) AS (
    SELECT pid FROM asked WHERE granted OR NOT EXISTS (SELECT FROM asked WHERE granted)
    UNION SELECT unnest(pg_blocking_pids(pid)) FROM blocking
)
SELECT a.pid, coalesce(a.usename::text, a.backend_type) AS holder,
       clock_timestamp() - coalesce(a.xact_start, a.backend_start) AS since
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.leader_pid IS NULL
  AND a.pid IN (SELECT pid FROM blocking)
ORDER BY a.xact_start LIMIT 3;

-- name: own_references
-- Foreign keys of a table, to others and to itself, and checks.
SELECT conname::text AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE contype IN ('c', 'f') AND conrelid = %(oid)s ORDER BY conname;

-- name: identities
SELECT attname::text AS name FROM pg_attribute
WHERE attrelid = %(oid)s AND attidentity <> '' AND NOT attisdropped;

-- name: counters
-- Columns of a table that count by themselves, with what counts for them.
SELECT a.attname::text AS name, c.relname::text AS relation, c.oid::regclass::text AS sequence
FROM pg_attribute a
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
    AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.deptype = 'i'
JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
WHERE a.attrelid = %(table)s::regclass AND a.attidentity <> '' AND NOT a.attisdropped;

-- name: count_from
SELECT setval(%(sequence)s::regclass, %(last)s);

-- name: called
-- What has a name in a dataset: a view of ours, which reads nothing but these tables, or not.
SELECT c.oid, c.relkind = 'v' AND pg_get_userbyid(c.relowner) = session_user
       AND NOT EXISTS (
           SELECT FROM pg_rewrite r JOIN pg_depend d
               ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
           WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
             AND NOT d.refobjid = ANY (
                 SELECT t.oid FROM pg_class t
                 WHERE t.relnamespace = c.relnamespace AND t.relname = ANY(%(tables)s)))
       AS ours
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(dataset)s AND c.relname = %(name)s;
