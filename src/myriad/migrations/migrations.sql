-- How far a database was migrated, which stands in it, and whether that is ours to believe.

-- name: alone
-- Of several that migrate one database, one does and the others wait for it.
SET LOCAL lock_timeout = '60s';
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('myriad migrations', 0));

-- name: look
-- From the catalog alone, so that nothing of what stands in the schema runs: whether the schema is
-- there, whether it counts migrations, and what of it somebody else made or may change. A view,
-- trigger or default of theirs would run with our rights. What PostgreSQL itself brings is pinned
-- and has no entry in pg_depend: a function there is somebody's.
WITH ours AS (
    SELECT n.oid, n.nspowner AS owner, n.nspacl
    FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'myriad'
),
tables AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner AS owner, c.relacl, c.relrowsecurity
    FROM pg_catalog.pg_class AS c JOIN ours ON ours.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S')
),
acls AS (
    SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass AS class, oid, owner, nspacl AS acl FROM ours
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, owner, relacl FROM tables
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, tables.oid, owner, attacl
    FROM pg_catalog.pg_attribute JOIN tables ON tables.oid = attrelid
),
own AS (
    -- Versions of people's tables may have indexes with functions and operators of an extension:
    -- they are looked at before anything is read of them, each for itself.
    SELECT oid FROM tables WHERE relname !~ '^version_[0-9a-f]{16}'
),
parts AS (
    -- what may hold an expression
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, oid FROM own
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid
    FROM pg_catalog.pg_index WHERE indrelid IN (SELECT oid FROM own)
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid
    FROM pg_catalog.pg_constraint WHERE conrelid IN (SELECT oid FROM own)
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid
    FROM pg_catalog.pg_attrdef WHERE adrelid IN (SELECT oid FROM own)
),
theirs AS (
    -- a superuser may do anything anyway
    SELECT class, oid FROM acls
    WHERE owner NOT IN (
        SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper OR rolname = session_user
    )
    UNION ALL
    SELECT class, oid FROM acls, pg_catalog.aclexplode(acl) AS a
    WHERE a.grantee <> owner AND a.privilege_type NOT IN ('SELECT', 'USAGE')
    UNION ALL
    -- in the schema, and no table
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
      AND d.refobjid IN (SELECT oid FROM ours)
      AND NOT (
          d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.objid IN (SELECT oid FROM tables)
      )
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid FROM tables WHERE relrowsecurity
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid FROM pg_catalog.pg_policy
    WHERE polrelid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid FROM pg_catalog.pg_trigger
    WHERE tgrelid IN (SELECT oid FROM tables) AND NOT tgisinternal
    UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, oid FROM pg_catalog.pg_rewrite
    WHERE ev_class IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid
    FROM pg_catalog.pg_statistic_ext WHERE stxrelid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid FROM pg_catalog.pg_constraint
    WHERE confrelid IN (SELECT oid FROM tables) AND conrelid NOT IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, inhrelid FROM pg_catalog.pg_inherits
    WHERE inhparent IN (SELECT oid FROM tables)
    UNION ALL
    SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend AS d
    JOIN parts ON parts.class = d.classid AND parts.oid = d.objid
    WHERE d.refclassid NOT IN (
        'pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass,
        'pg_catalog.pg_constraint'::pg_catalog.regclass
    )
)
SELECT EXISTS (SELECT FROM ours) AS schema,
       EXISTS (SELECT FROM tables WHERE relname = 'migration' AND relkind = 'r') AS counted,
       array(
           SELECT DISTINCT pg_catalog.pg_describe_object(class, oid, 0) FROM theirs ORDER BY 1
       ) AS theirs;

-- name: make
CREATE SCHEMA IF NOT EXISTS myriad;
REVOKE ALL ON SCHEMA myriad FROM PUBLIC;
CREATE TABLE IF NOT EXISTS myriad.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- name: there
SELECT pg_catalog.to_regclass('myriad.migration') IS NOT NULL;

-- name: last
SELECT coalesce(pg_catalog.max(number), 0) FROM myriad.migration;

-- name: done
INSERT INTO myriad.migration (number, name) VALUES (%(number)s, %(name)s);
