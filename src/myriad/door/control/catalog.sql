-- What the door asks the server, as administrator. Unqualified names are PostgreSQL's own: see
-- `administrator`. Databases and roles of owners are known by their oid: a name can be used again.

-- name: logins
-- For each name and database that somebody wants to log in with: who that is, and what they may.
SELECT asked.number, r.rolname, r.oid, r.rolcanlogin,
       coalesce(r.rolvaliduntil > now(), true) AS valid,
       {verifier} AS verifier,
       (
           r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
           OR NOT r.rolinherit OR r.rolconnlimit <> -1
           OR p.name IS NULL
           -- what is theirs, or was given to them by name: in this database, or in the whole
           -- server. Rights to another database, and in it, count there alone
           OR EXISTS (
               SELECT FROM pg_shdepend AS s
               WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
                 AND s.dbid IN (0, d.oid)
                 AND s.classid <> 'pg_auth_members'::regclass
                 AND (
                     s.classid <> 'pg_database'::regclass
                     OR s.deptype = 'o' OR s.objid = d.oid
                 )
           )
           OR EXISTS (
               SELECT FROM pg_db_role_setting AS s
               WHERE s.setrole = r.oid AND s.setdatabase IN (0, d.oid)
           )
           OR EXISTS (
               SELECT FROM pg_auth_members AS m
               JOIN pg_roles AS g ON g.oid = m.roleid
               LEFT JOIN public.grp ON grp.name = g.rolname
               WHERE m.member = r.oid
                 AND (
                     m.admin_option OR grp.name IS NULL
                     OR NOT coalesce((to_jsonb(m) ->> 'inherit_option')::bool, true)
                 )
           )
       ) AS personal,
       held.groups, held.whole_sessions, held.limits AS group_limits,
       (
           SELECT json_object_agg(l.name, l.value)
           FROM public.limits AS l WHERE l.role = r.rolname
       ) AS limits,
       EXISTS (
           SELECT FROM pg_db_role_setting AS s
           WHERE s.setrole IN (0, r.oid) AND s.setdatabase IN (0, d.oid)
             AND EXISTS (SELECT FROM unnest(s.setconfig) AS c WHERE starts_with(c, 'search_path='))
       ) AS looks,
       coalesce(d.oid, 0) AS database,
       coalesce(
           d.datallowconn AND has_database_privilege(r.oid, d.oid, 'CONNECT'), false
       ) AS may_connect
FROM unnest($1::int[], $2::text[], $3::text[]) AS asked (number, name, database)
JOIN pg_roles AS r ON r.rolname = asked.name
LEFT JOIN {roles} AS a ON a.oid = r.oid
LEFT JOIN public.person AS p ON p.name = r.rolname
LEFT JOIN pg_database AS d ON d.datname = asked.database
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(grp.name ORDER BY grp.name), '{{}}') AS groups,
           coalesce(bool_or(grp.pool = 'session'), false) AS whole_sessions,
           (
               -- the most generous of the groups' limits; 0 is none at all
               SELECT json_object_agg(l.name, l.value)
               FROM (
                   SELECT l.name, CASE WHEN min(l.value) = 0 THEN 0 ELSE max(l.value) END AS value
                   FROM public.limits AS l
                   WHERE l.role IN (
                       SELECT g.rolname FROM pg_auth_members AS m
                       JOIN pg_roles AS g ON g.oid = m.roleid
                       WHERE m.member = r.oid
                   )
                   GROUP BY l.name
               ) AS l
           ) AS limits
    FROM pg_auth_members AS m
    JOIN pg_roles AS g ON g.oid = m.roleid
    JOIN public.grp ON grp.name = g.rolname
    WHERE m.member = r.oid
) AS held;

-- name: expired
-- Whether somebody's time to log in has ended since then, and when this is.
SELECT now() AS now,
       EXISTS (
           SELECT FROM pg_roles WHERE rolvaliduntil > $1::timestamptz AND rolvaliduntil <= now()
       ) AS somebody;

-- name: databases
-- Which databases have these names now, and which are of the role with that oid: ours.
SELECT oid, datname, datdba = $2::oid AS ours FROM pg_database WHERE datname = ANY($1::text[]);

-- name: here
-- The same of the database that we are in: as long as we are, it keeps its name.
SELECT oid, datdba = $1::oid AS ours, getdatabaseencoding() = 'UTF8' AS any_letter
FROM pg_database WHERE datname = current_database();

-- name: harmless
-- Functions that change nothing.
SELECT array_agg(proname::text) AS harmless FROM (
    SELECT proname FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
       OR (
           prolang IN (SELECT oid FROM pg_language WHERE lanname IN ('c', 'internal'))
           AND pronamespace NOT IN (
               SELECT oid FROM pg_namespace
               WHERE nspname ~ '^pg_' OR nspname IN ('information_schema', 'myriad_guard')
           )
       )
    GROUP BY proname
    -- an extension's stable function may run SQL that it is given, as xpath_table does
    HAVING bool_and(provolatile = 'i' OR provolatile = 's' AND oid < 16384)
) AS calm;

-- name: facts
-- What decides in a database of ours whether people may share server connections.
WITH own AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
    FROM pg_namespace AS n
    WHERE n.nspname !~ '^pg_'
      AND n.nspname NOT IN ('information_schema', 'myriad_guard', 'myriad_workspace')
),
-- what people make for themselves: who may reach it shares no connection anyway
workspaces AS (
    SELECT own.oid FROM own
    WHERE EXISTS (
        SELECT FROM aclexplode(own.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE r.rolname ~ '^myriad_workspace_'
    )
),
relations AS (
    SELECT c.oid, c.relnamespace FROM pg_class AS c
    WHERE c.relnamespace NOT IN (SELECT oid FROM workspaces) AND c.relpersistence <> 't'
),
functions AS (
    SELECT p.proname, p.provolatile, l.lanname
    FROM pg_proc AS p
    JOIN own ON own.oid = p.pronamespace
    JOIN pg_language AS l ON l.oid = p.prolang
),
stored AS (
    -- the expressions of views, defaults, policies, constraints and triggers
    SELECT w.ev_action::text AS node
    FROM pg_rewrite AS w JOIN relations AS c ON c.oid = w.ev_class
    JOIN own ON own.oid = c.relnamespace
    UNION ALL
    SELECT adbin::text FROM pg_attrdef JOIN relations AS c ON c.oid = adrelid
    UNION ALL SELECT typdefaultbin::text FROM pg_type WHERE typdefaultbin IS NOT NULL
    UNION ALL SELECT polqual::text FROM pg_policy
    UNION ALL SELECT polwithcheck::text FROM pg_policy
    UNION ALL
    SELECT conbin::text FROM pg_constraint AS k JOIN own ON own.oid = k.connamespace
    WHERE conbin IS NOT NULL AND own.oid NOT IN (SELECT oid FROM workspaces)
    UNION ALL SELECT tgqual::text FROM pg_trigger WHERE tgqual IS NOT NULL
),
called AS (
    SELECT DISTINCT (regexp_matches(node, ':(?:func|opfunc)id (\d+)', 'g'))[1]::oid AS oid FROM stored
)
SELECT
    -- what may do anything when it is called from a view or a default, or tells who asks
    (
        EXISTS (
            SELECT FROM functions
            WHERE lanname NOT IN ('c', 'internal') OR provolatile = 'v'
        )
        OR EXISTS (SELECT FROM stored WHERE node ~ 'SQLVALUEFUNCTION :op (9|10|11|12) ')
        OR EXISTS (
            SELECT FROM called JOIN pg_proc AS p ON p.oid = called.oid
            WHERE p.proname IN ('getpgusername', 'system_user', 'pg_has_role')
               OR (p.provolatile = 'v' AND p.proname <> ALL($1::text[]))
        )
        OR EXISTS (
            SELECT FROM pg_trigger JOIN relations AS c ON c.oid = tgrelid WHERE NOT tgisinternal
        )
        OR EXISTS (
            SELECT FROM pg_event_trigger
            WHERE evtname NOT IN (
                'myriad_guard', 'myriad_workspace_begins', 'myriad_workspace_ended'
            )
        )
    ) AS opaque,
    -- what would show one person another's doings, or change settings behind the door's back
    EXISTS (
        SELECT FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND p.proname IN (
              'pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_prepared_statement',
              'pg_cursor', 'query_to_xml', 'pg_notify', 'lo_open', 'pg_cancel_backend',
              'pg_terminate_backend'
          )
          AND has_function_privilege('public', p.oid, 'EXECUTE')
    )
    OR has_table_privilege('public', 'pg_catalog.pg_settings', 'UPDATE')
    OR EXISTS (
        SELECT FROM pg_language
        WHERE lanpltrusted AND lanname <> 'sql' AND has_language_privilege('public', oid, 'USAGE')
    ) AS soft,
    -- who may make things, and so would own them
    (
        SELECT coalesce(array_agg(DISTINCT coalesce(g.rolname, '')), '{}')
        FROM (
            SELECT (aclexplode(nspacl)).*, nspowner AS owner FROM own
            UNION ALL
            SELECT (aclexplode(datacl)).*, datdba FROM pg_database
            WHERE datname = current_database()
        ) AS a
        LEFT JOIN pg_roles AS g ON g.oid = a.grantee
        WHERE a.privilege_type = 'CREATE' AND a.grantee <> a.owner
    ) AS creators;

-- name: pool_role
-- The groups that a pool's role is a member of; no row if there is no such role.
SELECT coalesce(array_agg(g.rolname::text) FILTER (WHERE g.oid IS NOT NULL), '{}') AS groups
FROM pg_roles AS r
LEFT JOIN pg_auth_members AS m ON m.member = r.oid
LEFT JOIN pg_roles AS g ON g.oid = m.roleid
WHERE r.rolname = $1
GROUP BY r.oid;

-- name: role
-- Who we are, whatever role a database would have us take.
SELECT oid FROM pg_roles WHERE rolname = session_user;

-- name: defaults
-- Which settings connections begin with: of a database, of a role, and by when they were read.
SELECT coalesce(d.datname, '') AS database, coalesce(r.rolname, '') AS role,
       md5(s.setconfig::text) AS settings
FROM pg_db_role_setting AS s
LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_roles AS r ON r.oid = s.setrole
UNION ALL
SELECT '', '', pg_conf_load_time()::text;

-- name: capacity
SELECT current_setting('max_connections')::int
     - current_setting('superuser_reserved_connections')::int AS connections,
       current_setting('server_version_num')::int / 10000 AS version,
       (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS superuser;

-- name: strays
-- Which of these server processes are still there, and were before they were left for so many
-- seconds; and whether they are deaf: idle, waiting for nothing, and in our own server ($3) they
-- were asked to end just now.
SELECT a.pid,
       CASE
           WHEN a.state = 'active' OR a.state IS NULL OR a.wait_event IS NOT NULL
           OR a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL THEN false
           WHEN $3::boolean THEN pg_terminate_backend(a.pid)
           ELSE true
       END AS deaf
FROM unnest($1::int[], $2::float8[]) AS l (pid, seconds)
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE extract(epoch FROM clock_timestamp() - a.backend_start) > l.seconds;


-- name: add_statements
-- What was counted of some shapes, to what was counted of them today.
INSERT INTO public.statement AS s (shape, day, text, calls, errors, rows, seconds, times, people)
SELECT shape, (now() AT TIME ZONE 'UTC')::date, text, calls, errors, rows, seconds,
       times::bigint[], people::bigint[]
FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[], $7::text[],
    $8::text[]
) AS new (shape, text, calls, errors, rows, seconds, times, people)
ORDER BY shape
ON CONFLICT (day, shape) DO UPDATE SET
    calls = s.calls + excluded.calls,
    errors = s.errors + excluded.errors,
    rows = s.rows + excluded.rows,
    seconds = s.seconds + excluded.seconds,
    times = ARRAY(
        SELECT a + b FROM unnest(s.times, excluded.times) WITH ORDINALITY AS t (a, b, n) ORDER BY n
    ),
    people = ARRAY(
        SELECT DISTINCT p FROM unnest(s.people || excluded.people) AS u (p) ORDER BY p LIMIT 128
    );

-- name: forget_statements
-- What is older than 90 days, and of each of the last two days all but what cost most.
DELETE FROM public.statement AS s
WHERE day < (now() AT TIME ZONE 'UTC')::date - 90
   OR (day, shape) IN (
       SELECT day, shape
       FROM (
           SELECT day, shape, row_number() OVER (PARTITION BY day ORDER BY seconds DESC) AS rank
           FROM public.statement WHERE day >= (now() AT TIME ZONE 'UTC')::date - 1
       ) AS ranked
       WHERE rank > 2000
   );
