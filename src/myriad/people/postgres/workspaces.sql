-- Workspaces in one database: datasets (schemas) in which the people of some groups make things.
-- What is theirs is held by the server itself, whatever way somebody comes in:
-- decisions/0021-workspaces.md.

-- name: installed
SELECT to_regclass('myriad_workspace.room') IS NOT NULL;

-- name: alone
-- `up` and a command may both come to a database that has none yet: PostgreSQL refuses to the second
-- what the first replaces.
SET LOCAL lock_timeout = '60s';
SELECT pg_advisory_xact_lock(hashtextextended('myriad workspaces', 0));

-- name: make_room
CREATE SCHEMA IF NOT EXISTS myriad_workspace;
GRANT USAGE ON SCHEMA myriad_workspace TO PUBLIC;

-- How much each may hold, and holds as it was last measured, in bytes. `role` is what its groups are
-- members of: it may read there, and owns what somebody leaves behind; it can do nothing else.
CREATE TABLE IF NOT EXISTS myriad_workspace.room (
    schema oid PRIMARY KEY,
    role oid NOT NULL,
    most bigint NOT NULL,
    bytes bigint NOT NULL DEFAULT 0
);

-- name: guard
-- Safe to run again: what a newer Myriad has for functions takes the place of the older ones.

-- Whether Myriad, or its administrator, acts: also in what `settle` does for somebody.
CREATE OR REPLACE FUNCTION myriad_workspace.ours() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM pg_roles WHERE rolsuper AND rolname IN (current_user, session_user));

-- Only what holds rows, shows them or finds them. Code of one person's would run with the rights of
-- whoever touches it: functions, triggers, rules and policies; operators, types and casts call some.
CREATE OR REPLACE FUNCTION myriad_workspace.begins() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF myriad_workspace.ours() THEN
        RETURN;
    END IF;
    IF session_user ~ '^myriad_' THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'the door does not know yet that you may make things here',
            HINT = 'Try again in some seconds.';
    END IF;
    IF current_user <> session_user THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'what people make here is made in their own name',
            HINT = 'RESET ROLE first.';
    END IF;
    IF tg_tag <> ALL (ARRAY[
        'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER SEQUENCE', 'ALTER TABLE', 'ALTER VIEW',
        'COMMENT', 'CREATE INDEX', 'CREATE MATERIALIZED VIEW', 'CREATE SEQUENCE', 'CREATE TABLE',
        'CREATE TABLE AS', 'CREATE VIEW', 'DROP INDEX', 'DROP MATERIALIZED VIEW', 'DROP SEQUENCE',
        'DROP TABLE', 'DROP VIEW', 'GRANT', 'REFRESH MATERIALIZED VIEW', 'REINDEX', 'REVOKE',
        'SELECT INTO'
    ]) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s is not available here', tg_tag),
            HINT = 'A workspace holds tables, views, materialized views, indexes and sequences: no'
                ' code that would run for others.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION myriad_workspace.ended() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT myriad_workspace.ours() THEN
        PERFORM myriad_workspace.settle(tg_tag);
    END IF;
END
$$;

-- Fails outside an event trigger, so nobody can do anything with it.
CREATE OR REPLACE FUNCTION myriad_workspace.settle(tag text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
    bad text;
BEGIN
    IF tag = 'COMMENT' AND EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() WHERE classid <> 'pg_class'::regclass
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'this cannot have a comment here',
            HINT = 'Tables, views, indexes, sequences and columns can: what is said of them counts.';
    END IF;
    FOR made IN
        SELECT DISTINCT c.oid, c.oid::regclass::text AS name, c.relkind AS kind,
               n.nspname AS dataset, r.schema, r.role, r.most, r.bytes
        FROM pg_event_trigger_ddl_commands() AS e
        JOIN pg_class AS c ON c.oid = e.objid AND e.classid = 'pg_class'::regclass
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN myriad_workspace.room AS r ON r.schema = n.oid
    LOOP
        IF EXISTS (
            SELECT FROM pg_auth_members AS m JOIN pg_class AS c ON c.relowner = m.member
            WHERE m.roleid = made.role AND c.oid = made.oid
        ) THEN
            RAISE insufficient_privilege USING
                MESSAGE = format('%s cannot belong to a group', made.name),
                HINT = 'What people make is theirs; GRANT lets a group change it.';
        END IF;
        IF tag !~ '^(DROP|GRANT|REVOKE|REINDEX)' AND made.bytes + (
            CASE WHEN tag ~ '^CREATE (TABLE AS|INDEX|MATER)|^SELECT'
            THEN pg_total_relation_size(made.oid) ELSE 0 END
        ) > made.most THEN
            PERFORM myriad_workspace.full(made.dataset, made.bytes, made.most);
        END IF;
        IF tag ~ '^CREATE' AND (
            SELECT count(*) FROM pg_class WHERE relnamespace = made.schema
        ) > 5000 THEN
            RAISE program_limit_exceeded USING
                MESSAGE = format('workspace %s holds 5000 tables, views, indexes and sequences, and'
                    ' no more', quote_ident(made.dataset)),
                HINT = 'Drop what nobody needs.';
        END IF;
        -- These run for whoever reads or writes: nothing but what the server itself made, and holds
        -- to change nothing.
        SELECT p.oid::regprocedure::text INTO bad
        FROM (
            SELECT ev_action::text AS node FROM pg_rewrite WHERE ev_class = made.oid
            UNION ALL SELECT adbin::text FROM pg_attrdef WHERE adrelid = made.oid
            UNION ALL SELECT conbin::text FROM pg_constraint WHERE conrelid = made.oid
            UNION ALL SELECT partexprs::text FROM pg_partitioned_table WHERE partrelid = made.oid
            UNION ALL
            SELECT indexprs::text FROM pg_index WHERE made.oid IN (indexrelid, indrelid)
            UNION ALL
            SELECT indpred::text FROM pg_index WHERE made.oid IN (indexrelid, indrelid)
        ) AS stored,
        LATERAL regexp_matches(stored.node, ':(?:func|opfunc|aggfno|winfno)id (\d+)', 'g') AS id,
        LATERAL (SELECT * FROM pg_proc WHERE pg_proc.oid = id[1]::oid) AS p
        WHERE (
            p.provolatile = 'v' AND NOT (
                p.oid < 16384 AND p.proname IN (
                    'random', 'random_normal', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'nextval',
                    'clock_timestamp', 'timeofday'
                )
            )
            OR p.provolatile = 's' AND p.oid >= 16384
            OR p.proname ~ '_to_xml'
        )
        LIMIT 1;
        IF bad IS NOT NULL THEN
            RAISE insufficient_privilege USING
                MESSAGE = format('%s is not available in what a workspace keeps', bad),
                HINT = 'It would run for whoever uses that.';
        END IF;
        PERFORM myriad_workspace.check_view(made.oid, made.role);
        IF made.kind IN ('r', 'p') AND NOT EXISTS (
            SELECT FROM pg_trigger WHERE tgrelid = made.oid AND tgname = 'myriad_room'
        ) THEN
            EXECUTE format('CREATE TRIGGER myriad_room BEFORE INSERT OR UPDATE ON %s FOR EACH'
                ' STATEMENT EXECUTE FUNCTION myriad_workspace.room()', made.oid::regclass);
        END IF;
        IF tag ~ '^(CREATE|SELECT|ALTER)' AND made.kind IN ('r', 'p', 'v', 'm', 'S') THEN
            EXECUTE format('GRANT SELECT ON %s TO %s', made.oid::regclass, made.role::regrole);
        END IF;
    END LOOP;
    IF tag ~ '^(ALTER|GRANT|CREATE)' THEN
        PERFORM myriad_workspace.check_all(
            (SELECT oid FROM pg_roles WHERE rolname = session_user)
        );
    END IF;
END
$$;

-- What a view shows, and which of the workspace's groups may not read it. A whole row names none of
-- its columns: then all that the view reads has to be readable as a whole.
CREATE OR REPLACE FUNCTION myriad_workspace.too_much(view oid, room_role oid)
RETURNS TABLE (name text, rolname name)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.oid::regclass::text, g.rolname
    FROM pg_rewrite AS w
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> view
    JOIN pg_class AS c ON c.oid = d.refobjid
    JOIN pg_auth_members AS m ON m.roleid = room_role
    JOIN pg_roles AS g ON g.oid = m.member AND NOT g.rolsuper
    WHERE w.ev_class = view AND NOT CASE
        WHEN w.ev_action::text ~ ':varattno 0 ' THEN has_table_privilege(g.oid, c.oid, 'SELECT')
        WHEN d.refobjsubid > 0
        THEN has_column_privilege(g.oid, c.oid, d.refobjsubid::smallint, 'SELECT')
        ELSE has_any_column_privilege(g.oid, c.oid, 'SELECT') END;
END;

-- A view reads with its owner's rights, so what it is made of can reach nothing of its reader's. It
-- shows nothing either that the workspace's groups may not read themselves.
CREATE OR REPLACE FUNCTION myriad_workspace.check_view(view oid, room_role oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad record;
BEGIN
    IF (SELECT reloptions::text ~ 'security_invoker=(?!f|off|no|0)' FROM pg_class WHERE oid = view) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s cannot have security_invoker in a workspace', view::regclass),
            HINT = 'It would run with the rights of whoever reads it.';
    END IF;
    FOR bad IN SELECT * FROM myriad_workspace.too_much(view, room_role) LOOP
        RAISE insufficient_privilege USING
            MESSAGE = format('%s reads %s, which group %s may not read', view::regclass, bad.name,
                quote_ident(bad.rolname)),
            HINT = 'A view in a workspace shows what all of its groups may read.';
    END LOOP;
END
$$;

-- No one but its groups has a right to anything in a workspace, and each table there asks for room.
-- Of what somebody has, gave, or may change for others: what these did alone is no reason to refuse.
DROP FUNCTION IF EXISTS myriad_workspace.check_all();
CREATE OR REPLACE FUNCTION myriad_workspace.check_all(person oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad record;
BEGIN
    FOR bad IN
        SELECT c.oid::regclass::text AS name, coalesce(g.rolname::text, 'PUBLIC') AS other
        FROM myriad_workspace.room AS r
        JOIN pg_class AS c ON c.relnamespace = r.schema
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
        CROSS JOIN LATERAL (
            SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)
        ) AS given
        LEFT JOIN pg_roles AS g ON g.oid = given.grantee
        WHERE (pg_has_role(person, c.relowner, 'USAGE') OR pg_has_role(person, given.grantor, 'USAGE'))
          AND given.grantee NOT IN (c.relowner, r.role)
          AND NOT EXISTS (
              SELECT FROM pg_auth_members WHERE roleid = r.role AND member = given.grantee
          )
    LOOP
        RAISE insufficient_privilege USING
            MESSAGE = format('%s is in a workspace: nothing of it can be given to %s', bad.name, bad.other),
            HINT = 'What is in a workspace can be given to its groups only.';
    END LOOP;
    FOR bad IN
        SELECT c.oid::regclass::text AS name
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid
        JOIN myriad_workspace.room AS r ON r.schema = c.relnamespace
        WHERE t.tgname = 'myriad_room' AND t.tgenabled <> 'O'
          AND pg_has_role(person, c.relowner, 'USAGE')
    LOOP
        RAISE insufficient_privilege USING
            MESSAGE = format('trigger myriad_room of %s cannot be switched off', bad.name),
            HINT = 'It keeps the workspace within its limit.';
    END LOOP;
    -- what comes by way of a parent asks for the parent's room
    FOR bad IN
        SELECT c.oid::regclass::text AS name
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p')
        JOIN pg_class AS p ON p.oid = i.inhparent
        JOIN myriad_workspace.room AS r ON r.schema = c.relnamespace
        WHERE p.relnamespace <> c.relnamespace AND pg_has_role(person, c.relowner, 'USAGE')
    LOOP
        RAISE insufficient_privilege USING
            MESSAGE = format('%s cannot be part of a table in another place', bad.name),
            HINT = 'Keep both in one workspace.';
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION myriad_workspace.full(dataset text, bytes bigint, most bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE configuration_limit_exceeded USING
        MESSAGE = format('workspace %s is full: it holds %s of %s MB, or would with this',
            quote_ident(dataset), ceil(bytes / 1e6), round(most / 1e6)),
        HINT = 'Make room: DROP TABLE or TRUNCATE, or DELETE and then VACUUM FULL. It is measured'
            ' every few seconds.';
END
$$;

-- Of each table: whoever fills it, by whatever command.
CREATE OR REPLACE FUNCTION myriad_workspace.room() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    room record;
BEGIN
    SELECT n.nspname, r.bytes, r.most INTO room
    FROM pg_class AS c
    JOIN myriad_workspace.room AS r ON r.schema = c.relnamespace
    JOIN pg_namespace AS n ON n.oid = r.schema
    WHERE c.oid = TG_RELID;
    IF room.bytes > room.most THEN
        PERFORM myriad_workspace.full(room.nspname, room.bytes, room.most);
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION myriad_workspace.begins(), myriad_workspace.ended(),
    myriad_workspace.check_all(oid), myriad_workspace.check_view(oid, oid),
    myriad_workspace.too_much(oid, oid),
    myriad_workspace.full(text, bigint, bigint),
    myriad_workspace.room() FROM PUBLIC;

-- name: watch
DROP EVENT TRIGGER IF EXISTS myriad_workspace_begins;
DROP EVENT TRIGGER IF EXISTS myriad_workspace_ended;
CREATE EVENT TRIGGER myriad_workspace_begins ON ddl_command_start
    EXECUTE FUNCTION myriad_workspace.begins();
CREATE EVENT TRIGGER myriad_workspace_ended ON ddl_command_end
    EXECUTE FUNCTION myriad_workspace.ended();

-- name: holds
-- What a schema holds already, whatever it is.
SELECT n.oid,
       (SELECT count(*) FROM pg_depend AS d
        WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)
FROM pg_namespace AS n WHERE n.nspname = %(dataset)s;

-- name: enter
INSERT INTO myriad_workspace.room (schema, role, most)
SELECT n.oid, r.oid, %(most)s FROM pg_namespace AS n, pg_roles AS r
WHERE n.nspname = %(dataset)s AND r.rolname = %(role)s
ON CONFLICT (schema) DO UPDATE SET most = excluded.most, role = excluded.role;

-- name: rooms
SELECT n.nspname, r.bytes, r.most
FROM myriad_workspace.room AS r JOIN pg_namespace AS n ON n.oid = r.schema;

-- name: theirs
-- What people own in workspaces here; indexes, and sequences of columns, follow their tables.
SELECT format(
    'ALTER %%s %%s OWNER TO %%s',
    CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
         WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
    c.oid::regclass, r.role::regrole
)
FROM myriad_workspace.room AS r
JOIN pg_class AS c ON c.relnamespace = r.schema
JOIN pg_roles AS o ON o.oid = c.relowner
WHERE o.rolname = ANY(%(names)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
  AND NOT EXISTS (
      SELECT FROM pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_class'::regclass AND c.relkind = 'S'
  );

-- name: measure
-- For each workspace: what it holds, of it what is temporary, and which processes write there. Files
-- are measured, not tables: nobody's lock is waited for, and what a transaction has made shows,
-- though nobody can see it yet.
WITH place AS (
    SELECT regexp_replace(pg_relation_filepath('pg_catalog.pg_class'), '[^/]*$', '') AS folder
),
files AS MATERIALIZED (
    SELECT part[1] IS NOT NULL AS temporary, part[2]::oid AS node, sum(s.size) AS bytes,
           max(s.modification) AS changed
    FROM place
    CROSS JOIN LATERAL pg_ls_dir(folder) AS name
    CROSS JOIN LATERAL regexp_match(
        name, '^(t\d+_)?(\d+)(?:_(?:fsm|vm|init))?(?:\.\d+)?$'
    ) AS m (part)
    CROSS JOIN LATERAL pg_stat_file(folder || name, true) AS s
    WHERE part IS NOT NULL AND s.size > 0
    GROUP BY 1, 2
),
rooms AS (SELECT r.* FROM myriad_workspace.room AS r JOIN pg_namespace AS n ON n.oid = r.schema),
own AS MATERIALIZED (
    SELECT c.oid, c.relfilenode AS node, c.relnamespace AS schema, c.reltoastrelid AS toast,
           c.relnatts AS columns
    FROM pg_class AS c JOIN rooms ON rooms.schema = c.relnamespace
),
toasts AS MATERIALIZED (
    SELECT c.oid, c.relfilenode AS node, own.schema
    FROM own JOIN pg_class AS c ON c.oid = own.toast
),
things AS MATERIALIZED (
    SELECT oid, node, schema FROM own
    UNION ALL SELECT * FROM toasts
    UNION ALL
    SELECT c.oid, c.relfilenode, toasts.schema
    FROM toasts
    JOIN pg_index AS i ON i.indrelid = toasts.oid
    JOIN pg_class AS c ON c.oid = i.indexrelid
),
-- definitions, comments and statistics stand in tables that all share, as do columns: some 250 bytes
words AS MATERIALIZED (
    SELECT said.schema, said.owner, sum(said.bytes + coalesce(w.bytes, 0)) AS bytes
    FROM (
        SELECT oid, schema, NULL::oid AS owner, columns * 250 AS bytes FROM own
        UNION ALL
        -- an empty file, too, is one
        SELECT c.oid, NULL, c.relowner, c.relnatts * 250 + 2000
        FROM pg_class AS c JOIN pg_roles AS o ON o.oid = c.relowner AND NOT o.rolsuper
        WHERE c.relpersistence = 't'
    ) AS said
    CROSS JOIN LATERAL (
        SELECT sum(size) AS bytes FROM (
            SELECT pg_column_size(ev_action) AS size FROM pg_rewrite WHERE ev_class = said.oid
            UNION ALL SELECT pg_column_size(adbin) FROM pg_attrdef WHERE adrelid = said.oid
            UNION ALL SELECT pg_column_size(conbin) FROM pg_constraint WHERE conrelid = said.oid
            UNION ALL
            SELECT pg_column_size(partexprs) FROM pg_partitioned_table WHERE partrelid = said.oid
            UNION ALL
            SELECT coalesce(pg_column_size(stavalues1), 0) + coalesce(pg_column_size(stavalues2), 0)
                + coalesce(pg_column_size(stavalues3), 0) + coalesce(pg_column_size(stavalues4), 0)
                + coalesce(pg_column_size(stavalues5), 0)
            FROM pg_statistic WHERE starelid = said.oid
            UNION ALL
            SELECT pg_column_size(description) FROM pg_description
            WHERE objoid = said.oid AND classoid = 'pg_class'::regclass
        ) AS each
    ) AS w
    GROUP BY 1, 2
),
known AS (
    SELECT relfilenode AS node FROM pg_class WHERE relfilenode <> 0
    UNION ALL
    SELECT pg_relation_filenode(oid) FROM pg_class
    WHERE relfilenode = 0 AND relkind IN ('r', 'i', 't')
),
-- what no committed table has: of transactions that are open, or left by a crash
fresh AS MATERIALIZED (
    SELECT * FROM files
    WHERE NOT EXISTS (SELECT FROM known WHERE known.node = files.node)
),
locks AS MATERIALIZED (
    SELECT l.pid, l.relation, l.mode, a.usesysid AS person, o.rolsuper AS ours,
           date_trunc('second', a.xact_start) AS since
    FROM pg_locks AS l
    JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.backend_type = 'client backend'
    JOIN pg_roles AS o ON o.oid = a.usesysid
    WHERE l.locktype = 'relation' AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
),
-- a new table is in a file with its own number
made AS MATERIALIZED (
    SELECT DISTINCT fresh.node, fresh.temporary, fresh.bytes, l.pid, l.person, l.ours
    FROM fresh JOIN locks AS l ON l.relation = fresh.node
),
-- one that was emptied is in any that changed since: it may be of everybody who has emptied one
emptied AS (
    SELECT schema, (
        SELECT coalesce(sum(bytes), 0) FROM fresh
        WHERE NOT temporary AND node NOT IN (SELECT node FROM made) AND changed >= since
    ) AS bytes
    FROM (
        SELECT things.schema, min(l.since) AS since
        FROM locks AS l JOIN things ON things.oid = l.relation
        WHERE l.mode = 'AccessExclusiveLock' AND NOT l.ours
        GROUP BY 1
    ) AS e
),
-- of whom, and in which file, whatever they make at this moment or have made for a session
theirs AS MATERIALIZED (
    SELECT person, node, temporary, bytes, pid FROM made WHERE NOT ours
    UNION ALL
    SELECT c.relowner, files.node, true, files.bytes, NULL
    FROM pg_class AS c
    JOIN files ON files.temporary AND files.node = c.relfilenode
    JOIN pg_roles AS o ON o.oid = c.relowner AND NOT o.rolsuper
    WHERE c.relpersistence = 't'
    UNION ALL
    SELECT owner, 0, true, bytes, NULL FROM words WHERE owner IS NOT NULL
),
-- nobody can tell for which workspace: for that of theirs with most room
held AS MATERIALIZED (
    SELECT theirs.*, (
        SELECT schema FROM rooms WHERE pg_has_role(person, role, 'MEMBER')
        ORDER BY most DESC, schema LIMIT 1
    ) AS schema
    FROM theirs
)
SELECT r.schema, r.bytes AS before, r.most,
       (
           coalesce((SELECT sum(files.bytes) FROM things JOIN files
                     ON NOT files.temporary AND files.node = things.node
                     WHERE things.schema = r.schema), 0)
           + coalesce((SELECT bytes FROM words WHERE words.schema = r.schema), 0)
           + coalesce((SELECT sum(bytes) FROM held
                       WHERE NOT temporary AND held.schema = r.schema), 0)
           + coalesce((SELECT bytes FROM emptied WHERE emptied.schema = r.schema), 0)
       )::bigint AS bytes,
       coalesce((SELECT sum(bytes) FROM held
                 WHERE temporary AND held.schema = r.schema), 0)::bigint AS temporary,
       (SELECT person FROM held WHERE temporary AND held.schema = r.schema
        GROUP BY 1 ORDER BY sum(bytes) DESC LIMIT 1) AS largest,
       ARRAY(
           SELECT l.pid FROM locks AS l JOIN things ON things.oid = l.relation
           WHERE things.schema = r.schema AND NOT l.ours
             AND l.mode !~ '^(Access|Row)Share|^ShareUpdate'
           UNION
           SELECT pid FROM held WHERE pid IS NOT NULL AND held.schema = r.schema
       ) AS writers
FROM rooms AS r;

-- name: keep
UPDATE myriad_workspace.room SET bytes = %(bytes)s WHERE schema = %(schema)s;

-- name: forget_dropped
DELETE FROM myriad_workspace.room WHERE schema NOT IN (SELECT oid FROM pg_namespace);

-- name: unsettled
-- What came to be where no event trigger saw it (EXPLAIN ANALYZE CREATE TABLE AS, REASSIGN OWNED), or
-- shows now what one of the groups may not read any more: what mends it.
SELECT oid, format('CREATE TRIGGER myriad_room BEFORE INSERT OR UPDATE ON %%s FOR EACH STATEMENT'
    ' EXECUTE FUNCTION myriad_workspace.room()', oid::regclass) AS text
FROM (
    SELECT c.oid FROM myriad_workspace.room AS r JOIN pg_class AS c ON c.relnamespace = r.schema
    WHERE c.relkind IN ('r', 'p') AND NOT EXISTS (
        SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'myriad_room'
    )
) AS unseen
UNION ALL
SELECT c.oid, format('ALTER TABLE %%s OWNER TO %%s', c.oid::regclass, r.role::regrole)
FROM myriad_workspace.room AS r
JOIN pg_class AS c ON c.relnamespace = r.schema AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
JOIN pg_auth_members AS m ON m.roleid = r.role AND m.member = c.relowner
WHERE NOT EXISTS (
    SELECT FROM pg_depend AS d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
      AND d.refclassid = 'pg_class'::regclass AND c.relkind = 'S'
)
UNION ALL
SELECT DISTINCT c.oid, format('REVOKE ALL ON %%s FROM %%s CASCADE', c.oid::regclass,
    CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE given.grantee::regrole::text END)
FROM myriad_workspace.room AS r
JOIN pg_class AS c ON c.relnamespace = r.schema AND c.relkind = 'v'
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
CROSS JOIN LATERAL (
    SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)
) AS given
WHERE given.grantee <> c.relowner
  AND EXISTS (SELECT FROM myriad_workspace.too_much(c.oid, r.role));

-- name: wait_briefly
SET LOCAL lock_timeout = '300ms';

-- name: end_holders
-- Whoever writes where nothing asks for room.
SELECT pg_terminate_backend(l.pid)
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
JOIN pg_roles AS o ON o.oid = a.usesysid AND NOT o.rolsuper
WHERE l.relation = %(oid)s AND l.granted AND l.mode !~ '^(Access|Row)Share'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: end_writers
-- VACUUM FULL makes room, though it first takes some.
SELECT CASE WHEN state = 'active' THEN pg_cancel_backend(pid)
            WHEN state ~ '^idle in' THEN pg_terminate_backend(pid) END
FROM pg_stat_activity
WHERE pid = ANY(%(pids)s) AND query !~* '^\s*vacuum\M';

-- name: end_temporary
-- Temporary tables go with the session.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usesysid = %(person)s AND datname = current_database() AND backend_type = 'client backend';
