-- What PostgreSQL gives to everybody and a person with read access needs for no query, but can
-- hurt others with. %(owners)s says whether the group myriad_owner keeps it.

-- name: open_rights
-- Every such right that somebody still has in this database: what it is, the statement that takes
-- it away, and whether the session's user may run that statement.
WITH dangerous AS (
    SELECT p.oid, p.proowner, p.proacl
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'pg_catalog'
      AND (
          -- large objects: files of everybody's, without a table and its rights
          p.proname ~ '^lo_' OR p.proname IN ('loread', 'lowrite')
          -- hold a connection, or a lock that others wait for; clients call the unlocking ones to
          -- leave nothing behind
          OR p.proname ~ '^pg_sleep' OR p.proname ~ '^pg_(try_)?advisory_(?!unlock)'
          -- write to the log of changes, or files, without a right to any table
          OR p.proname IN ('pg_logical_emit_message', 'pg_export_snapshot')
          -- end the work of others who share a role
          OR p.proname IN ('pg_terminate_backend', 'pg_cancel_backend')
          -- see the work of others who share a role or a connection: what they run, from where,
          -- and what was prepared. The views over these ask with their reader's rights
          OR p.proname IN ('pg_stat_get_activity', 'pg_stat_get_progress_info')
          OR p.proname ~ '^pg_stat_get_backend_'
          OR p.proname IN ('pg_prepared_statement', 'pg_cursor')
          -- reach others who share a role or a connection
          OR p.proname = 'pg_notify'
          -- run SQL that hides in a string
          OR p.proname ~ '^(query|cursor|table|schema|database)_to_xml'
          OR (p.proname IN ('ts_stat', 'ts_rewrite') AND p.provolatile = 'v')
      )
      -- reach other servers from this one
      OR p.proname ~ '^dblink'
      -- what others ran who share a role
      OR p.proname = 'pg_stat_statements'
),
rights AS (
    SELECT 'EXECUTE ON ROUTINE ' || oid::regprocedure AS what, proowner AS owner,
           coalesce(proacl, acldefault('f', proowner)) AS acl, 'EXECUTE' AS privilege
    FROM dangerous
    UNION ALL
    -- its rule calls set_config out of the door's sight
    SELECT 'UPDATE ON TABLE ' || oid::regclass, relowner,
           coalesce(relacl, acldefault('r', relowner)), 'UPDATE'
    FROM pg_class WHERE oid = 'pg_catalog.pg_settings'::regclass
    UNION ALL
    -- trusted languages run code by DO; SQL itself has no DO
    SELECT format('USAGE ON LANGUAGE %%I', lanname), lanowner,
           coalesce(lanacl, acldefault('l', lanowner)), 'USAGE'
    FROM pg_language WHERE lanpltrusted AND lanname <> 'sql'
    UNION ALL
    SELECT 'CREATE ON SCHEMA public', nspowner, coalesce(nspacl, acldefault('n', nspowner)), 'CREATE'
    FROM pg_namespace WHERE nspname = 'public'
    UNION ALL
    SELECT format('%%s ON DATABASE %%I', privilege, datname), datdba,
           coalesce(datacl, acldefault('d', datdba)), privilege
    FROM pg_database, unnest(ARRAY['CREATE', 'TEMPORARY', 'CONNECT']) AS privilege
    WHERE datname = current_database()
      -- whom owners let into their own database, and for what, is theirs to say
      AND (datistemplate OR NOT %(owners)s)
)
SELECT DISTINCT
    format('%%s FROM %%s', what, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE 'myriad_owner' END) AS what,
    pg_has_role(rights.owner, 'USAGE') AS reachable
FROM rights, aclexplode(acl) AS a
WHERE a.privilege_type = rights.privilege
  AND (
      a.grantee = 0
      OR (
          NOT %(owners)s
          AND a.privilege_type <> 'CONNECT'
          AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'myriad_owner')
      )
  )
ORDER BY what;

-- name: own_views
-- pgAdmin asks the first of these when it connects, and fails without an answer; both read
-- pg_stat_get_activity, which nobody may. Where all connections come over the Unix socket the
-- answer is always the same: no GSSAPI, no TLS. One statement for each that is not changed yet.
SELECT format(
    'CREATE OR REPLACE VIEW pg_catalog.%I AS SELECT %s',
    c.relname,
    string_agg(
        CASE WHEN a.attname = 'pid' THEN 'pg_backend_pid()'
             WHEN a.atttypid = 'bool'::regtype THEN 'false'
             ELSE 'NULL::' || format_type(a.atttypid, a.atttypmod) END
        || format(' AS %I', a.attname),
        ', ' ORDER BY a.attnum
    )
)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid IN ('pg_catalog.pg_stat_gssapi'::regclass, 'pg_catalog.pg_stat_ssl'::regclass)
  AND current_setting('listen_addresses') = ''
  AND pg_get_viewdef(c.oid) LIKE '%pg_stat_get_activity%'
GROUP BY c.relname;

-- name: missing_for_owners
-- What owners lack of the above. Never what PostgreSQL itself gives to superusers only
-- (lo_import reads the server's files): those have an entry in pg_init_privs.
SELECT 'EXECUTE ON ROUTINE ' || p.oid::regprocedure AS what
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pg_catalog'
  AND p.proacl IS NOT NULL
  AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
  AND NOT has_function_privilege('myriad_owner', p.oid, 'EXECUTE')
  AND NOT EXISTS (
      SELECT FROM pg_init_privs WHERE classoid = 'pg_proc'::regclass AND objoid = p.oid
  )
UNION ALL
SELECT 'UPDATE ON TABLE pg_settings'
WHERE NOT has_table_privilege('myriad_owner', 'pg_catalog.pg_settings', 'UPDATE')
UNION ALL
SELECT format('USAGE ON LANGUAGE %I', lanname)
FROM pg_language
WHERE lanpltrusted AND NOT has_language_privilege('myriad_owner', oid, 'USAGE')
ORDER BY what;

-- name: make_owners
CREATE ROLE myriad_owner NOLOGIN;

-- name: close_template0
-- Whoever may create databases may copy a template: template0 would give them one that is not
-- hardened. Superusers can copy it all the same.
ALTER DATABASE template0 IS_TEMPLATE false;

-- name: guard
-- A database made by CREATE DATABASE lets everybody connect, and no template changes that. This
-- trigger is copied with the template, and lets in only the database's owner, superusers, and
-- whom CONNECT was granted to by name.
CREATE SCHEMA IF NOT EXISTS myriad_guard;

CREATE OR REPLACE FUNCTION myriad_guard.login() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_database AS d
        WHERE d.datname = current_database()
          AND (
              pg_has_role(session_user, d.datdba, 'MEMBER')
              OR EXISTS (
                  SELECT FROM aclexplode(d.datacl) AS a
                  WHERE a.privilege_type = 'CONNECT'
                    AND a.grantee <> 0
                    AND pg_has_role(session_user, a.grantee, 'USAGE')
              )
          )
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied for database "%s"', current_database()),
            HINT = 'Its owner can let you in: GRANT CONNECT ON DATABASE ... TO ...';
    END IF;
END
$$;

DROP EVENT TRIGGER IF EXISTS myriad_guard;
CREATE EVENT TRIGGER myriad_guard ON login EXECUTE FUNCTION myriad_guard.login();

-- name: no_guard
DROP EVENT TRIGGER IF EXISTS myriad_guard;
DROP SCHEMA IF EXISTS myriad_guard CASCADE;
