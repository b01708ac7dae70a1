SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE DATABASE school WITH TEMPLATE = template0 ENCODING = 'UTF8';
ALTER DATABASE school OWNER TO myriad;
\connect school
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE SCHEMA myriad;
ALTER SCHEMA myriad OWNER TO myriad;
CREATE SCHEMA staff;
ALTER SCHEMA staff OWNER TO myriad;
CREATE TABLE myriad.published (
    dataset text NOT NULL,
    name text NOT NULL,
    run uuid NOT NULL,
    rows bigint NOT NULL,
    report jsonb NOT NULL
);
ALTER TABLE myriad.published OWNER TO myriad;
CREATE TABLE myriad.reject (
    run uuid NOT NULL,
    source text NOT NULL,
    table_name text NOT NULL,
    line bigint NOT NULL,
    raw text NOT NULL,
    reason text NOT NULL
);
ALTER TABLE myriad.reject OWNER TO myriad;
CREATE TABLE myriad.run (
    run uuid NOT NULL,
    started timestamp with time zone NOT NULL,
    finished timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    dataset text NOT NULL,
    sources text[] NOT NULL,
    report jsonb NOT NULL
);
ALTER TABLE myriad.run OWNER TO myriad;
CREATE TABLE staff.members_1 (
    id smallint,
    name text,
    joined date
);
ALTER TABLE staff.members_1 OWNER TO myriad;
COPY myriad.published (dataset, name, run, rows, report) FROM stdin;
staff	members_1	b0405b2d-59f4-4515-bab6-9945572803de	2	{"ddl": "CREATE TABLE \\"staff\\".\\"members_1\\" (\\n    \\"id\\" smallint,\\n    \\"name\\" text,\\n    \\"joined\\" date\\n);\\n", "made": [], "rows": 2, "notes": ["delimiter ',', first record taken as names"], "table": "members_1", "action": "created", "engine": "postgres", "source": "members_1.csv", "columns": [{"why": "whole numbers from 1 to 2", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "text", "name": "name", "type": "text", "not_null": false, "original": "name"}, {"why": "dates (ISO 8601)", "name": "joined", "type": "date", "not_null": false, "original": "joined"}], "indexes": [], "rejects": 0, "difference": [], "primary_key": [], "foreign_keys": [], "key_candidates": ["id", "name", "joined"]}
\.
COPY myriad.reject (run, source, table_name, line, raw, reason) FROM stdin;
\.
COPY myriad.run (run, started, finished, dataset, sources, report) FROM stdin;
b0405b2d-59f4-4515-bab6-9945572803de	2026-11-28 09:12:21.277045+00	2026-11-28 09:12:23.900389+00	staff	{members_1.csv}	{"run": "b0405b2d-59f4-4515-bab6-9945572803de", "rows": 2, "tables": [{"ddl": "CREATE TABLE \\"staff\\".\\"members_1\\" (\\n    \\"id\\" smallint,\\n    \\"name\\" text,\\n    \\"joined\\" date\\n);\\n", "made": [], "rows": 2, "notes": ["delimiter ',', first record taken as names"], "table": "members_1", "action": "created", "engine": "postgres", "source": "members_1.csv", "columns": [{"why": "whole numbers from 1 to 2", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "text", "name": "name", "type": "text", "not_null": false, "original": "name"}, {"why": "dates (ISO 8601)", "name": "joined", "type": "date", "not_null": false, "original": "joined"}], "indexes": [], "rejects": 0, "difference": [], "primary_key": [], "foreign_keys": [], "key_candidates": ["id", "name", "joined"]}], "dataset": "staff", "dry_run": false, "rejects": 0, "seconds": 2.623, "database": "school", "rejects_file": null}
\.
COPY staff.members_1 (id, name, joined) FROM stdin;
1	Ada	2024-01-05
2	Grace	2024-02-11
\.
ALTER TABLE ONLY myriad.published
    ADD CONSTRAINT published_pkey PRIMARY KEY (dataset, name);
ALTER TABLE ONLY myriad.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run);
ALTER TABLE ONLY myriad.published
    ADD CONSTRAINT published_run_fkey FOREIGN KEY (run) REFERENCES myriad.run(run);
ALTER TABLE ONLY myriad.reject
    ADD CONSTRAINT reject_run_fkey FOREIGN KEY (run) REFERENCES myriad.run(run);
REVOKE CONNECT,TEMPORARY ON DATABASE school FROM PUBLIC;
GRANT CONNECT ON DATABASE school TO night;
GRANT USAGE ON SCHEMA staff TO night;
REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
GRANT SELECT ON TABLE staff.members_1 TO night;
ALTER DEFAULT PRIVILEGES FOR ROLE myriad IN SCHEMA staff GRANT SELECT ON TABLES TO night;
