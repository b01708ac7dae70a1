-- Who published what, with which outcome; what is kept of before, to go back to; what tables mean.

ALTER TABLE myriad.run
    ADD COLUMN kind text NOT NULL DEFAULT 'publish',
    ADD COLUMN outcome text NOT NULL DEFAULT 'done'
        CHECK (outcome IN ('running', 'done', 'refused', 'failed')),
    ADD COLUMN account text, -- of the machine, that ran the command
    ADD COLUMN person text, -- of Myriad's, where one asked for it
    ADD COLUMN tables text[] NOT NULL DEFAULT '{}',
    ADD COLUMN rows bigint,
    ADD COLUMN bytes bigint,
    ADD COLUMN seconds double precision,
    ADD COLUMN error text,
    -- the session that does it: one that is gone ended without a word
    ADD COLUMN backend integer,
    ADD COLUMN backend_start timestamptz,
    ALTER COLUMN finished DROP NOT NULL;
UPDATE myriad.run SET
    rows = (report ->> 'rows')::bigint,
    seconds = (report ->> 'seconds')::double precision,
    tables = array(SELECT jsonb_array_elements(report -> 'tables') ->> 'table');
CREATE INDEX run_dataset ON myriad.run (dataset, started);
CREATE INDEX reject_run ON myriad.reject (run);

-- Relations of before, in this schema, called version_*: what was renamed, and foreign keys that
-- were dropped.
CREATE TABLE myriad.kept (
    relation text PRIMARY KEY,
    dataset text NOT NULL,
    name text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    names jsonb NOT NULL DEFAULT '{}',
    foreign_keys jsonb NOT NULL DEFAULT '[]',
    unpublished boolean NOT NULL DEFAULT false
);
-- Each content that a table had. Several may be of one relation: to have one of them again, the rows
-- that those after it loaded are taken out, and the rows in `apart` are put in.
CREATE TABLE myriad.version (
    dataset text NOT NULL,
    name text NOT NULL,
    number integer NOT NULL,
    run uuid NOT NULL,
    rows bigint NOT NULL,
    report jsonb, -- null: it is past, and only says which rows were loaded
    relation text REFERENCES myriad.kept, -- null: the one that is shown
    apart text REFERENCES myriad.kept,
    -- which rows were loaded with it, and how many of them are there: a transaction's number in this
    -- very relation of this very server; null: not known
    xid bigint,
    loaded bigint,
    system bigint NOT NULL,
    oid oid NOT NULL,
    PRIMARY KEY (dataset, name, number)
);
CREATE INDEX version_oid ON myriad.version (oid);
ALTER TABLE myriad.published
    ADD COLUMN comment text; -- as Myriad wrote it: another is somebody's
INSERT INTO myriad.version (dataset, name, number, run, rows, report, system, oid)
SELECT p.dataset, p.name, 1, p.run, p.rows, p.report, 0, c.oid
FROM myriad.published p
JOIN pg_namespace n ON n.nspname = p.dataset
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name;

-- What somebody said of a table, and with a column of it: it is kept when the table is made anew.
CREATE TABLE myriad.description (
    dataset text NOT NULL,
    name text NOT NULL,
    "column" text NOT NULL DEFAULT '',
    text text NOT NULL,
    PRIMARY KEY (dataset, name, "column")
);
