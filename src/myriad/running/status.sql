-- name: server
SELECT
    extract(epoch FROM pg_postmaster_start_time())::float8,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int;

-- name: databases
SELECT
    datname,
    CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END
FROM pg_database
WHERE NOT datistemplate AND datallowconn AND datconnlimit <> -2 AND datname NOT LIKE 'new-%'
ORDER BY datname;
