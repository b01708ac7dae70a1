-- People, groups, grants and limits, what they ran, what is asked of the door, and what is published
-- to Cassandra. A home from before there were numbers has all of it, or some: so IF NOT EXISTS.

CREATE TABLE IF NOT EXISTS public.person (
    name text PRIMARY KEY,
    owner boolean NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
-- The role's own verifier, for a door that may not read pg_authid.
ALTER TABLE public.person ADD COLUMN IF NOT EXISTS verifier text;
-- The bcrypt hash of the same password; null: nobody can log in to Cassandra with it.
ALTER TABLE public.person ADD COLUMN IF NOT EXISTS cassandra text;
CREATE TABLE IF NOT EXISTS public.grp (
    name text PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now()
);
-- How long the door leaves a server connection with a session: for a transaction, or to its end.
ALTER TABLE public.grp ADD COLUMN IF NOT EXISTS pool text NOT NULL DEFAULT 'transaction'
    CHECK (pool IN ('transaction', 'session'));
CREATE TABLE IF NOT EXISTS public.grants (
    grp text NOT NULL REFERENCES public.grp ON DELETE CASCADE,
    database text NOT NULL,
    dataset text NOT NULL,
    write boolean NOT NULL,
    PRIMARY KEY (grp, database, dataset)
);
-- What a person or a group may use; 0 is no limit, no row leaves it to the groups or the settings.
CREATE TABLE IF NOT EXISTS public.limits (
    role text NOT NULL,
    name text NOT NULL,
    value double precision NOT NULL CHECK (value >= 0),
    PRIMARY KEY (role, name)
);
-- Who ran what: the door writes into one table, and empties the older one when that is full.
CREATE TABLE IF NOT EXISTS public.audit_0 (
    at timestamptz,
    person text,
    database text,
    address text,
    seconds double precision,
    rows bigint,
    bytes bigint,
    outcome text,
    statement text
);
CREATE TABLE IF NOT EXISTS public.audit_1 (LIKE public.audit_0);
CREATE OR REPLACE VIEW public.audit AS
SELECT * FROM public.audit_0 UNION ALL SELECT * FROM public.audit_1;
-- A command asks; the door writes the answer; the command deletes the row.
CREATE TABLE IF NOT EXISTS public.request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL,
    who text[] NOT NULL,
    answer jsonb,
    asked timestamptz DEFAULT now()
);
-- Which list of rights each database was hardened with; that it is again takes 40 ms for each.
CREATE TABLE IF NOT EXISTS public.hardened (
    database oid PRIMARY KEY,
    version text NOT NULL
);

-- Roles that Myriad made in Cassandra: in which cluster (the name of a role that Myriad made there
-- to know it again), and for which person or group: a name that was used again is somebody else.
CREATE TABLE IF NOT EXISTS public.cassandra_role (
    cluster text NOT NULL,
    name text NOT NULL,
    born timestamptz NOT NULL,
    PRIMARY KEY (cluster, name)
);
-- Keyspaces that Myriad made, or is about to make.
CREATE TABLE IF NOT EXISTS public.cassandra_keyspace (
    keyspace text PRIMARY KEY,
    database text NOT NULL,
    dataset text NOT NULL,
    made boolean NOT NULL DEFAULT false,
    UNIQUE (database, dataset)
);
CREATE TABLE IF NOT EXISTS public.cassandra_published (
    keyspace text NOT NULL REFERENCES public.cassandra_keyspace,
    name text NOT NULL,
    run uuid NOT NULL,
    started timestamptz NOT NULL,
    finished timestamptz NOT NULL DEFAULT clock_timestamp(),
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    stamp bigint NOT NULL,
    report jsonb NOT NULL,
    rejects jsonb NOT NULL,
    PRIMARY KEY (keyspace, name)
);
-- One load for each table at most: where it stands, so that the same command can go on there.
CREATE TABLE IF NOT EXISTS public.cassandra_load (
    keyspace text NOT NULL,
    name text NOT NULL,
    staged text NOT NULL,
    identity jsonb NOT NULL,
    stamp bigint NOT NULL,
    acknowledged bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'loading' CHECK (state IN ('loading', 'loaded', 'switching')),
    plan jsonb NOT NULL,
    touched timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (keyspace, name)
);
