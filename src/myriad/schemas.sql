-- Which schemas may be looked into by a short name; unqualified names are PostgreSQL's own here: see
-- `administrator`.

-- name: schemas
-- Each schema that may hold data; who but superusers and the role that asks may make something in
-- it, or ever has; and who may look into it. '' is everybody.
WITH here AS (
    SELECT oid, datdba FROM pg_database WHERE datname = current_database()
),
known AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolname = session_user
),
found AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
    WHERE NOT starts_with(nspname, 'pg_')
      AND nspname NOT IN ('information_schema', 'myriad', 'myriad_guard', 'myriad_workspace')
),
theirs AS (
    SELECT classid, objid, refobjid AS role FROM pg_shdepend
    WHERE dbid = (SELECT oid FROM here) AND deptype = 'o' AND refclassid = 'pg_authid'::regclass
      AND refobjid NOT IN (SELECT oid FROM known)
),
makers AS (
    SELECT oid AS schema, nspowner AS role FROM found
    UNION SELECT oid, given.grantee FROM found, aclexplode(nspacl) AS given
    WHERE given.privilege_type = 'CREATE'
    UNION SELECT c.relnamespace, t.role FROM theirs AS t JOIN pg_class AS c ON c.oid = t.objid
    WHERE t.classid = 'pg_class'::regclass
    UNION SELECT p.pronamespace, t.role FROM theirs AS t JOIN pg_proc AS p ON p.oid = t.objid
    WHERE t.classid = 'pg_proc'::regclass
    UNION SELECT o.oprnamespace, t.role FROM theirs AS t JOIN pg_operator AS o ON o.oid = t.objid
    WHERE t.classid = 'pg_operator'::regclass
    UNION SELECT y.typnamespace, t.role FROM theirs AS t JOIN pg_type AS y ON y.oid = t.objid
    WHERE t.classid = 'pg_type'::regclass
),
others AS (
    SELECT schema, array_agg(DISTINCT CASE role WHEN 0 THEN '' ELSE pg_get_userbyid(role) END::text)
           AS names
    FROM (
        -- `public` is its database's owner's
        SELECT schema, CASE role WHEN 'pg_database_owner'::regrole THEN here.datdba ELSE role END
        FROM makers, here
    ) AS m (schema, role)
    WHERE role NOT IN (SELECT oid FROM known)
    GROUP BY schema
),
readers AS (
    SELECT oid AS schema,
           array_agg(CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END::text) AS names
    FROM found, aclexplode(nspacl)
    WHERE privilege_type = 'USAGE'
    GROUP BY oid
)
SELECT nspname::text AS name, coalesce(others.names, '{}') AS makers,
       coalesce(readers.names, '{}') AS readers
FROM found
LEFT JOIN others ON others.schema = found.oid
LEFT JOIN readers ON readers.schema = found.oid
ORDER BY nspname <> 'public', nspname;
