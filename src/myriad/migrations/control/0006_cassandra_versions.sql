-- Each content that a table in Cassandra had: files of every node, from which it can be made again.
CREATE TABLE IF NOT EXISTS public.cassandra_version (
    keyspace text NOT NULL REFERENCES public.cassandra_keyspace,
    name text NOT NULL,
    number integer NOT NULL,
    files uuid UNIQUE, -- null: nothing is kept, the number alone is taken
    bytes bigint, -- on the disks of all nodes; null: not all of them have it
    published jsonb NOT NULL, -- the row of cassandra_published
    made jsonb NOT NULL, -- CQL that makes the table, and its types
    unpublished boolean NOT NULL DEFAULT false,
    kept timestamptz NOT NULL DEFAULT clock_timestamp(),
    back jsonb, -- it is being shown again: how
    awaits uuid, -- only if this run in PostgreSQL was done
    PRIMARY KEY (keyspace, name, number)
);
-- Runs that changed tables in Cassandra, or tried to; as myriad.run of a database in PostgreSQL.
CREATE TABLE IF NOT EXISTS public.cassandra_run (
    run uuid PRIMARY KEY,
    started timestamptz NOT NULL,
    finished timestamptz,
    database text NOT NULL,
    dataset text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('running', 'done', 'refused', 'failed')),
    account text,
    person text,
    tables text[] NOT NULL,
    sources text[] NOT NULL,
    rows bigint,
    bytes bigint,
    seconds double precision,
    error text,
    report jsonb NOT NULL DEFAULT '{}',
    backend integer,
    backend_start timestamptz
);
CREATE INDEX IF NOT EXISTS cassandra_run_dataset
    ON public.cassandra_run (database, dataset, started);
-- What tables in Cassandra are, as people described them, and the comment that Myriad wrote last.
CREATE TABLE IF NOT EXISTS public.cassandra_description (
    keyspace text NOT NULL,
    name text NOT NULL,
    text text,
    written text,
    PRIMARY KEY (keyspace, name)
);
