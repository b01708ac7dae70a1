-- What was published stands in the same database as the data, so that one transaction changes both.
-- Only Myriad may look. A database from before there were numbers has all of it: so IF NOT EXISTS.

CREATE TABLE IF NOT EXISTS myriad.run (
    run uuid PRIMARY KEY,
    started timestamptz NOT NULL,
    finished timestamptz NOT NULL DEFAULT clock_timestamp(),
    dataset text NOT NULL,
    sources text[] NOT NULL,
    report jsonb NOT NULL
);
CREATE TABLE IF NOT EXISTS myriad.published (
    dataset text NOT NULL,
    name text NOT NULL,
    run uuid NOT NULL REFERENCES myriad.run,
    rows bigint NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (dataset, name)
);
CREATE TABLE IF NOT EXISTS myriad.reject (
    run uuid NOT NULL REFERENCES myriad.run,
    source text NOT NULL,
    table_name text NOT NULL,
    line bigint NOT NULL,
    raw text NOT NULL,
    reason text NOT NULL
);
