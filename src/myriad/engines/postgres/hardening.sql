-- What PostgreSQL gives to everybody and a person with read access needs for no query, but can
-- hurt others with. %(owners)s: in a database of an owner's, or what it is made of.

-- name: rights
-- Every such right that somebody has who should not (REVOKE), or lacks who should have it (GRANT):
-- what it is, and whether the session's user may change that. How far each reaches decides who:
-- connection: whoever shares one, or its role. Owners share none, nor does anybody in their databases.
-- database: everybody in it. In their own, owners decide; people there have what PostgreSQL gives.
-- server: everybody. Owners alone, and in their own databases alone.
WITH functions AS (
    SELECT p.oid, p.proowner, p.proacl, p.pronamespace, CASE
        -- large objects: files of everybody's, without a table and its rights
        WHEN p.proname ~ '^lo_' OR p.proname IN ('loread', 'lowrite') THEN 'database'
        -- locks that others wait for; clients call the unlocking ones to leave nothing behind
        WHEN p.proname ~ '^pg_(try_)?advisory_(?!unlock)' THEN 'database'
        -- reach others who share a role or a connection
        WHEN p.proname = 'pg_notify' THEN 'database'
        -- write to the log of changes, or files, without a right to any table
        WHEN p.proname IN ('pg_logical_emit_message', 'pg_export_snapshot') THEN 'database'
        -- write what is told of a table's rows, of any size: it is for pg_upgrade and pg_restore
        WHEN p.proname ~ '^pg_(restore|clear)_\w+_stats$' THEN 'database'
        -- hold a connection
        WHEN p.proname ~ '^pg_sleep' THEN 'connection'
        -- end the work of others who share a role
        WHEN p.proname IN ('pg_terminate_backend', 'pg_cancel_backend') THEN 'connection'
        -- see what was prepared on a connection that others share
        WHEN p.proname IN ('pg_prepared_statement', 'pg_cursor') THEN 'connection'
        -- run SQL that hides in a string
        WHEN p.proname ~ '^(query|cursor|table|schema|database)_to_xml' THEN 'connection'
        WHEN p.proname IN ('ts_stat', 'ts_rewrite') AND p.provolatile = 'v' THEN 'connection'
        -- see the work of others: what they run, from where. The views over these ask with their
        -- reader's rights
        WHEN p.proname IN ('pg_stat_get_activity', 'pg_stat_get_progress_info') THEN 'server'
        WHEN p.proname ~ '^pg_stat_get_backend_' THEN 'server'
    END AS reach
    FROM pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
    UNION ALL
    -- reach other servers from this one; what others ran who share a role
    SELECT p.oid, p.proowner, p.proacl, p.pronamespace, 'server'
    FROM pg_proc p
    WHERE p.proname ~ '^dblink' OR p.proname = 'pg_stat_statements'
),
rights AS (
    SELECT 'EXECUTE ON ROUTINE ' || oid::regprocedure AS what, proowner AS owner,
           coalesce(proacl, acldefault('f', proowner)) AS acl, 'EXECUTE' AS privilege, reach,
           -- never what PostgreSQL itself gives to superusers only: lo_import reads files
           pronamespace = 'pg_catalog'::regnamespace AND NOT EXISTS (
               SELECT FROM pg_init_privs WHERE classoid = 'pg_proc'::regclass AND objoid = oid
           ) AS given
    FROM functions WHERE reach IS NOT NULL
    UNION ALL
    -- its rule calls set_config out of the door's sight
    SELECT 'UPDATE ON TABLE ' || oid::regclass, relowner,
           coalesce(relacl, acldefault('r', relowner)), 'UPDATE', 'connection', true
    FROM pg_class WHERE oid = 'pg_catalog.pg_settings'::regclass
    UNION ALL
    -- trusted languages run code by DO; SQL itself has no DO
    SELECT format('USAGE ON LANGUAGE %%I', lanname), lanowner,
           coalesce(lanacl, acldefault('l', lanowner)), 'USAGE', 'connection', true
    FROM pg_language WHERE lanpltrusted AND lanname <> 'sql'
    UNION ALL
    SELECT 'CREATE ON SCHEMA public', nspowner, coalesce(nspacl, acldefault('n', nspowner)),
           'CREATE', 'server', false
    FROM pg_namespace WHERE nspname = 'public'
    UNION ALL
    SELECT format('%%s ON DATABASE %%I', privilege, datname), datdba,
           coalesce(datacl, acldefault('d', datdba)), privilege, 'server', false
    FROM pg_database, unnest(ARRAY['CREATE', 'TEMPORARY', 'CONNECT']) AS privilege
    WHERE datname = current_database()
      -- whom owners let into their own database, and for what, is theirs to say
      AND (datistemplate OR NOT %(owners)s)
),
holders AS (
    SELECT oid AS holder, 'myriad_owner' AS name FROM pg_roles WHERE rolname = 'myriad_owner'
    UNION ALL
    SELECT 0, 'PUBLIC'
),
wanted AS (
    SELECT rights.*, holder, name, CASE
        WHEN holder = 0 THEN %(owners)s AND reach <> 'server'
        WHEN reach = 'database' THEN false
        ELSE %(owners)s = (reach = 'server') OR privilege = 'CONNECT'
    END AS may, EXISTS (
        SELECT FROM aclexplode(acl) AS a
        WHERE a.grantee = holder AND a.privilege_type = privilege
    ) AS has
    FROM rights, holders
)
SELECT CASE WHEN may THEN 'GRANT' ELSE 'REVOKE' END AS change,
       format('%%s %%s %%s', what, CASE WHEN may THEN 'TO' ELSE 'FROM' END, name) AS what,
       pg_has_role(owner, 'USAGE') AS reachable
FROM wanted
WHERE CASE WHEN may THEN given AND NOT has ELSE has END
ORDER BY 1 DESC, 2;

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

-- name: make_owners
CREATE ROLE myriad_owner NOLOGIN;

-- name: log_little
-- Nobody can fill the log, and no password gets there: what people's statements do wrong is told
-- them, and stands in the audit. The server's own processes still log all.
ALTER ROLE ALL SET log_min_messages = 'fatal';

-- name: close_template0
-- Whoever may create databases may copy a template: template0 would give them one that is not
-- hardened. Superusers can copy it all the same.
ALTER DATABASE template0 IS_TEMPLATE false;

-- name: foreign_guard
-- Whoever owns a schema of that name could put a function of their own in the place of ours.
SELECT format('ALTER SCHEMA myriad_guard RENAME TO %I', 'myriad_guard_' || n.oid)
FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
WHERE n.nspname = 'myriad_guard' AND NOT r.rolsuper;

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
