-- People, groups, grants and limits, what they ran, and what is asked of the door, in the control
-- database. Who is in which group stands in PostgreSQL's own catalog (pg_auth_members).

-- name: tell
-- To the door, when the transaction is committed.
NOTIFY myriad_people;

-- name: lock
-- One change at a time; reading goes on.
LOCK TABLE public.person IN SHARE ROW EXCLUSIVE MODE;

-- name: lockers
-- Who changes people now.
SELECT pid FROM pg_locks
WHERE relation = 'public.person'::regclass AND mode = 'ShareRowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: taken
SELECT rolname,
       CASE WHEN rolname IN (SELECT name FROM public.person) THEN 'person'
            WHEN rolname IN (SELECT name FROM public.grp) THEN 'group'
            ELSE 'role' END
FROM pg_roles WHERE rolname = ANY(%(names)s)
ORDER BY rolname;

-- name: set_verifiers
-- A superuser may write the catalog. CREATE ROLE ... PASSWORD first tries the empty password
-- against the verifier: 4.6 ms a person, 46 s for 10,000; this takes 0.2 s.
UPDATE pg_authid SET rolpassword = verifier
FROM unnest(%(names)s::text[], %(verifiers)s::text[]) AS given (name, verifier)
WHERE rolname = given.name;

-- name: people
-- PostgreSQL's catalog says who may log in, and until when. A year that no client reads is never.
SELECT p.name, p.owner, p.created, p.cassandra,
       array(
           SELECT g.rolname::text
           FROM pg_auth_members am
           JOIN pg_roles g ON g.oid = am.roleid
           JOIN public.grp ON grp.name = g.rolname
           WHERE am.member = r.oid
           ORDER BY 1
       ),
       NOT coalesce(r.rolcanlogin, false) AS disabled,
       CASE WHEN r.rolvaliduntil < '9999-01-01 00:00+00'
            THEN greatest(r.rolvaliduntil, '1970-01-01 00:00+00') END AS until,
       coalesce(r.rolvaliduntil <= now(), false) AS expired,
       p.roster
FROM public.person p
LEFT JOIN pg_roles r ON r.rolname = p.name
ORDER BY p.name;

-- name: roster_groups
SELECT name FROM public.grp WHERE roster;

-- name: set_roster
UPDATE public.person SET roster = %(roster)s WHERE name = ANY(%(names)s);

-- name: heard
-- Whose password is known now. Whoever was removed, or left, since they joined is not meant.
UPDATE public.person SET roster = 'listed' WHERE name = ANY(%(names)s) AND roster = 'new';

-- name: sync_alone
-- Two at once would each give those who join a password, and the first to print it is wrong.
SET lock_timeout = '30s';
SELECT pg_advisory_lock(hashtextextended('person sync', 0));

-- name: shut_by_hand
-- Whom no list lets in again.
UPDATE public.person SET roster = 'listed' WHERE name = ANY(%(names)s) AND roster = 'gone';

-- name: opened_by_hand
-- They are nobody's leaver, until a list names them.
UPDATE public.person SET roster = NULL
WHERE name = ANY(%(names)s) AND roster IN ('listed', 'gone');

-- name: set_roster_groups
UPDATE public.grp SET roster = true WHERE name = ANY(%(names)s) AND NOT roster;

-- name: set_owner
UPDATE public.person SET owner = %(owner)s WHERE name = ANY(%(names)s);

-- name: set_hashes
UPDATE public.person SET verifier = given.verifier, cassandra = given.cassandra
FROM unnest(%(names)s::text[], %(verifiers)s::text[], %(hashes)s::text[])
    AS given (name, verifier, cassandra)
WHERE person.name = given.name;

-- name: open_accounts
SELECT rolname FROM pg_roles WHERE rolname = ANY(%(names)s) AND rolcanlogin;

-- name: births
SELECT name, created FROM public.grp;

-- name: groups
SELECT grp.name,
       (
           -- of people: the door's pool roles are members too
           SELECT count(*)
           FROM pg_roles g
           JOIN pg_auth_members am ON am.roleid = g.oid
           JOIN pg_roles m ON m.oid = am.member
           JOIN public.person ON person.name = m.rolname
           WHERE g.rolname = grp.name
       ),
       grp.pool
FROM public.grp
ORDER BY grp.name;

-- name: grants
-- Of whole datasets.
SELECT grp, database, dataset, write FROM public.grants ORDER BY grp, database, dataset;

-- name: held
-- Of whole datasets and of tables: as records.Grant.
SELECT grp, database, dataset, write, NULL AS name, '{}'::text[] AS columns FROM public.grants
UNION ALL
SELECT grp, database, dataset, write, name, coalesce(columns, '{}') FROM public.table_grant
ORDER BY grp, database, dataset, name NULLS FIRST;

-- name: give_dataset
INSERT INTO public.grants (grp, database, dataset, write)
VALUES (%(group)s, %(database)s, %(dataset)s, %(write)s)
ON CONFLICT (grp, database, dataset) DO UPDATE SET write = excluded.write;

-- name: give_table
INSERT INTO public.table_grant (grp, database, dataset, name, write, columns)
VALUES (%(group)s, %(database)s, %(dataset)s, %(table)s, %(write)s, %(columns)s)
ON CONFLICT (grp, database, dataset, name)
DO UPDATE SET write = excluded.write, columns = excluded.columns;

-- name: take_dataset
DELETE FROM public.grants WHERE (grp, database, dataset) = (%(group)s, %(database)s, %(dataset)s);

-- name: take_table
DELETE FROM public.table_grant
WHERE (grp, database, dataset, name) = (%(group)s, %(database)s, %(dataset)s, %(table)s);

-- name: given_tables
-- What groups that are there were granted of one dataset's tables: (group, table, write, columns).
SELECT grp, name, write, coalesce(columns, '{}') FROM public.table_grant
WHERE (database, dataset) = (%(database)s, %(dataset)s)
  AND grp IN (SELECT rolname FROM pg_roles)
ORDER BY grp, name;

-- name: rename_table
UPDATE public.table_grant SET name = %(new)s
WHERE (database, dataset, name) = (%(database)s, %(dataset)s, %(name)s);

-- name: forget_table
-- What was granted of a table that is no more, and whose name another one gets.
DELETE FROM public.table_grant
WHERE (database, dataset, name) = (%(database)s, %(dataset)s, %(name)s);

-- name: whole_tables
-- What Cassandra can give: it knows no grants of columns.
SELECT grp, database, dataset, name, write FROM public.table_grant
WHERE columns IS NULL ORDER BY grp, database, dataset, name;

-- name: unsettled
SELECT database, dataset FROM public.unsettled ORDER BY 1, 2;

-- name: begin_settling
INSERT INTO public.unsettled (database, dataset)
SELECT %(database)s, unnest(%(datasets)s::text[]) ON CONFLICT DO NOTHING;

-- name: settled
DELETE FROM public.unsettled WHERE database = %(database)s AND dataset = ANY(%(datasets)s);

-- name: in_cassandra
-- Which of them Cassandra has: (dataset, table).
SELECT k.dataset, p.name FROM public.cassandra_published p
JOIN public.cassandra_keyspace k ON k.keyspace = p.keyspace AND k.made
WHERE k.database = %(database)s;

-- name: owned
-- What roles own: (role, what). Default privileges count as owned, but go with the role.
SELECT r.rolname,
       CASE WHEN s.dbid <> 0 THEN format('%%s objects in database "%%s"', count(*), d.datname)
            WHEN s.classid = 'pg_database'::regclass THEN
                format('database %%s', string_agg(format('"%%s"', own.datname), ', '))
            ELSE format('%%s tablespaces', count(*)) END
FROM pg_shdepend s
JOIN pg_roles r ON r.oid = s.refobjid
LEFT JOIN pg_database d ON d.oid = s.dbid
LEFT JOIN pg_database own ON s.classid = 'pg_database'::regclass AND own.oid = s.objid
WHERE s.refclassid = 'pg_authid'::regclass
  AND s.deptype = 'o'
  AND s.classid <> 'pg_default_acl'::regclass
  AND r.rolname = ANY(%(names)s)
  -- where workspaces are, people own nothing else: that is left to them
  AND NOT (%(left)s AND d.datname IN (SELECT database FROM public.workspace))
GROUP BY r.rolname, s.dbid, d.datname, CASE WHEN s.dbid = 0 THEN s.classid END, s.classid = 'pg_database'::regclass
ORDER BY 1, 2;

-- name: by_name
-- Databases of others in which something was given to a role itself.
SELECT DISTINCT d.datname
FROM pg_shdepend s
JOIN pg_roles r ON r.oid = s.refobjid
JOIN pg_database d ON d.oid = CASE WHEN s.dbid <> 0 THEN s.dbid
    WHEN s.classid = 'pg_database'::regclass THEN s.objid END
WHERE s.refclassid = 'pg_authid'::regclass
  AND s.deptype IN ('a', 'r')
  AND d.datdba <> r.oid
  AND r.rolname = %(name)s
ORDER BY 1;

-- name: traces
-- Databases in which something names these roles: a grant, default privileges, a policy.
SELECT d.datname AS database, pg_get_userbyid(d.datdba) AS owner, d.datconnlimit = -2 AS broken,
       d.datallowconn AS allows, d.datconnlimit AS most,
       has_database_privilege(d.oid, 'CONNECT') AS lets_us_in,
       array_agg(DISTINCT r.rolname::text) AS names
FROM pg_shdepend s
JOIN pg_roles r ON r.oid = s.refobjid
JOIN pg_database d ON d.oid = CASE WHEN s.dbid = 0 THEN
    (SELECT oid FROM pg_database WHERE datname = current_database()) ELSE s.dbid END
WHERE s.refclassid = 'pg_authid'::regclass
  AND s.classid <> 'pg_auth_members'::regclass
  AND r.rolname = ANY(%(names)s)
GROUP BY d.oid, d.datname, d.datdba, d.datconnlimit, d.datallowconn;

-- name: given
-- What somebody else than its owner gave to these roles here, or an owner whom we do not stand for:
-- DROP OWNED leaves that. Who gave it, and the statement's part that says what from whom.
SELECT DISTINCT giver.rolname, format('ALL %%s FROM %%I', what, r.rolname)
FROM (
    SELECT format('ON %%s %%s', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                  oid::regclass) AS what, relowner AS owner, relacl AS acl FROM pg_class
    UNION ALL
    SELECT format('(%%I) ON TABLE %%s', attname, attrelid::regclass), relowner, attacl
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    UNION ALL SELECT 'ON ROUTINE ' || oid::regprocedure, proowner, proacl FROM pg_proc
    UNION ALL SELECT format('ON SCHEMA %%I', nspname), nspowner, nspacl FROM pg_namespace
    UNION ALL SELECT 'ON TYPE ' || oid::regtype, typowner, typacl FROM pg_type
    UNION ALL SELECT format('ON LANGUAGE %%I', lanname), lanowner, lanacl FROM pg_language
    UNION ALL SELECT format('ON FOREIGN DATA WRAPPER %%I', fdwname), fdwowner, fdwacl
    FROM pg_foreign_data_wrapper
    UNION ALL SELECT format('ON FOREIGN SERVER %%I', srvname), srvowner, srvacl
    FROM pg_foreign_server
    UNION ALL SELECT 'ON LARGE OBJECT ' || oid, lomowner, lomacl FROM pg_largeobject_metadata
    UNION ALL SELECT format('ON DATABASE %%I', datname), datdba, datacl FROM pg_database
) AS objects
CROSS JOIN aclexplode(acl) AS x
JOIN pg_roles r ON r.oid = x.grantee
JOIN pg_roles giver ON giver.oid = x.grantor
WHERE r.rolname = ANY(%(names)s)
  AND (x.grantor <> owner OR NOT pg_has_role(owner, 'USAGE'));

-- name: end_sessions
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%(names)s);

-- name: set_limits
INSERT INTO public.limits (role, name, value)
SELECT role, name, value
FROM unnest(%(roles)s::text[]) AS role,
     unnest(%(names)s::text[], %(values)s::float8[]) AS given (name, value)
ON CONFLICT (role, name) DO UPDATE SET value = excluded.value;

-- name: drop_limits
DELETE FROM public.limits WHERE role = ANY(%(roles)s) AND name = ANY(%(names)s);

-- name: forget_limits
DELETE FROM public.limits WHERE role = ANY(%(roles)s);

-- name: limits
SELECT role, name, value FROM public.limits WHERE role = ANY(%(roles)s);

-- name: groups_of
-- Whose limits hold for a person too.
SELECT g.rolname
FROM pg_roles m
JOIN pg_auth_members am ON am.member = m.oid
JOIN pg_roles g ON g.oid = am.roleid
JOIN public.grp ON grp.name = g.rolname
WHERE m.rolname = %(name)s
ORDER BY 1;

-- name: note
INSERT INTO public.administration (account, statement, names)
VALUES (%(account)s, %(statement)s, %(names)s);

-- name: forget_notes
-- All but the newest 100,000.
DELETE FROM public.administration
WHERE at < (SELECT at FROM public.administration ORDER BY at DESC OFFSET 100000 LIMIT 1);

-- name: beside
-- These groups, and those in which somebody is who is in one of them; '' is everybody's.
SELECT other.rolname::text
FROM pg_roles AS g
JOIN pg_auth_members AS m ON m.roleid = g.oid
JOIN pg_roles AS member ON member.oid = m.member
JOIN public.person AS p ON p.name = member.rolname
JOIN pg_auth_members AS also ON also.member = member.oid
JOIN pg_roles AS other ON other.oid = also.roleid
WHERE g.rolname = ANY(%(groups)s::text[])
UNION SELECT unnest(%(groups)s::text[]) UNION SELECT '';

-- name: audit
-- What people ran, and what was changed of them by commands: those are about whom they name.
SELECT at, person, database, address, way, seconds, rows, bytes, outcome, statement
FROM public.audit
WHERE (%(name)s::text IS NULL OR person = %(name)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
UNION ALL
SELECT at, account, '', 'local', %(command)s, 0, 0, 0, '00000', statement
FROM public.administration
WHERE (%(name)s::text IS NULL OR %(name)s = ANY(names))
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
ORDER BY at DESC
LIMIT %(last)s;

-- name: statements
WITH found AS (
    SELECT * FROM public.statement WHERE %(since)s::date IS NULL OR day >= %(since)s
),
cost AS (
    SELECT shape, sum(calls)::bigint AS calls, sum(errors)::bigint AS errors, sum(rows) AS rows,
           sum(seconds) AS seconds
    FROM found GROUP BY shape ORDER BY seconds DESC, shape LIMIT %(last)s
)
SELECT (SELECT text FROM found WHERE found.shape = cost.shape ORDER BY day LIMIT 1),
       calls, errors, rows, seconds,
       ARRAY(
           SELECT sum(u.count)::bigint
           FROM found, unnest(times) WITH ORDINALITY AS u (count, bucket)
           WHERE found.shape = cost.shape GROUP BY bucket ORDER BY bucket
       ),
       ARRAY(
           SELECT DISTINCT who FROM found, unnest(people) AS u (who)
           WHERE found.shape = cost.shape ORDER BY who LIMIT 128
       )
FROM cost
ORDER BY seconds DESC, shape;

-- name: patience
-- It is held for as long as ten thousand roles take to be made.
SET lock_timeout = '120s';

-- name: lock_cassandra
-- One makes Cassandra equal to these tables at a time; the next begins with what is then there.
SELECT pg_advisory_lock(hashtextextended('people in cassandra', 0));

-- name: cassandra_clusters
SELECT DISTINCT cluster FROM public.cassandra_role;

-- name: cassandra_roles
-- The role that marks the cluster is nobody's.
SELECT name, born FROM public.cassandra_role
WHERE cluster = %(cluster)s AND name <> cluster AND NOT dropped;

-- name: cassandra_roles_of_before
SELECT name FROM public.cassandra_role WHERE cluster = %(cluster)s AND dropped;

-- name: keep_cassandra_roles
INSERT INTO public.cassandra_role (cluster, name, born)
SELECT %(cluster)s, * FROM unnest(%(names)s::text[], %(born)s::timestamptz[])
ON CONFLICT (cluster, name) DO UPDATE SET born = excluded.born, dropped = false;

-- name: forget_cassandra_roles
UPDATE public.cassandra_role SET dropped = true
WHERE cluster = %(cluster)s AND name = ANY(%(names)s);

-- name: keyspaces
-- Those that publish made, not those that it is about to make.
SELECT database, dataset, keyspace FROM public.cassandra_keyspace WHERE made;

-- name: workspaces
SELECT w.database, w.dataset, w.role, w.megabytes,
       array(
           SELECT grp FROM public.workspace_group AS g
           WHERE (g.database, g.dataset) = (w.database, w.dataset) ORDER BY 1
       )
FROM public.workspace AS w ORDER BY 1, 2;

-- name: enter_workspace
INSERT INTO public.workspace VALUES (%(database)s, %(dataset)s, %(role)s, %(megabytes)s)
ON CONFLICT (database, dataset) DO UPDATE SET megabytes = excluded.megabytes;

-- name: open_workspace
INSERT INTO public.workspace_group VALUES (%(database)s, %(dataset)s, %(grp)s)
ON CONFLICT DO NOTHING;

-- name: close_workspace
DELETE FROM public.workspace_group
WHERE (database, dataset, grp) = (%(database)s, %(dataset)s, %(grp)s);

-- name: drop_workspace
DELETE FROM public.workspace WHERE (database, dataset) = (%(database)s, %(dataset)s);
