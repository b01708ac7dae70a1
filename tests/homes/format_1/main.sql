SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE DATABASE main WITH TEMPLATE = template0 ENCODING = 'UTF8';
ALTER DATABASE main OWNER TO myriad;
\connect main
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE SCHEMA finance;
ALTER SCHEMA finance OWNER TO myriad;
CREATE SCHEMA myriad;
ALTER SCHEMA myriad OWNER TO myriad;
CREATE TABLE finance.payments (
    id smallint,
    amount numeric,
    paid date
);
ALTER TABLE finance.payments OWNER TO myriad;
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
CREATE TABLE public.members (
    id smallint CONSTRAINT new_e88bb9e1bfe90ddb_id_not_null NOT NULL,
    name text,
    joined date
);
ALTER TABLE public.members OWNER TO myriad;
COPY finance.payments (id, amount, paid) FROM stdin;
1	10.50	2025-01-01
3	7.25	2025-02-02
\.
COPY myriad.published (dataset, name, run, rows, report) FROM stdin;
public	members	f29be6b6-38eb-4d3e-a597-0d9138cb609f	3	{"ddl": "CREATE TABLE \\"public\\".\\"members\\" (\\n    \\"id\\" smallint,\\n    \\"name\\" text,\\n    \\"joined\\" date\\n);\\nALTER TABLE \\"public\\".\\"members\\" ADD CONSTRAINT \\"members_pkey\\" PRIMARY KEY (\\"id\\");\\n", "made": ["members_pkey"], "rows": 3, "notes": ["delimiter ',', first record taken as names"], "table": "members", "action": "replaced", "engine": "postgres", "source": "members_1.csv, members_2.csv", "columns": [{"why": "whole numbers from 1 to 2", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "text", "name": "name", "type": "text", "not_null": false, "original": "name"}, {"why": "dates (ISO 8601)", "name": "joined", "type": "date", "not_null": false, "original": "joined"}], "indexes": [], "rejects": 0, "difference": [], "primary_key": ["id"], "foreign_keys": [], "key_candidates": []}
finance	payments	385725f1-4897-4d81-af5c-e96dc9b48c4d	2	{"ddl": "CREATE TABLE \\"finance\\".\\"payments\\" (\\n    \\"id\\" smallint,\\n    \\"amount\\" numeric,\\n    \\"paid\\" date\\n);\\n", "made": [], "rows": 2, "notes": ["delimiter ',', first record taken as names"], "table": "payments", "action": "replaced", "engine": "postgres", "source": "payments.csv", "columns": [{"why": "whole numbers from 1 to 3", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "decimals with up to 2 places, exact", "name": "amount", "type": "numeric", "not_null": false, "original": "amount"}, {"why": "dates (ISO 8601)", "name": "paid", "type": "date", "not_null": false, "original": "paid"}], "indexes": [], "rejects": 1, "difference": [], "primary_key": [], "foreign_keys": [], "key_candidates": ["id", "amount", "paid"]}
\.
COPY myriad.reject (run, source, table_name, line, raw, reason) FROM stdin;
15f3e372-5053-4e23-be3e-13a3501de146	payments.csv	payments	3	2,oops,,x	4 fields where 3 are expected
385725f1-4897-4d81-af5c-e96dc9b48c4d	payments.csv	payments	3	2,oops,,x	4 fields where 3 are expected
\.
COPY myriad.run (run, started, finished, dataset, sources, report) FROM stdin;
a3f333c5-2917-4c9a-8a0c-0aa83c8378c2	2026-11-28 08:51:38.17039+00	2026-11-28 08:51:38.473644+00	public	{members.csv}	{"run": "a3f333c5-2917-4c9a-8a0c-0aa83c8378c2", "rows": 3, "tables": [{"ddl": "CREATE TABLE \\"public\\".\\"members\\" (\\n    \\"id\\" smallint,\\n    \\"name\\" text,\\n    \\"joined\\" date\\n);\\nALTER TABLE \\"public\\".\\"members\\" ADD CONSTRAINT \\"members_pkey\\" PRIMARY KEY (\\"id\\");\\n", "made": ["members_pkey"], "rows": 3, "notes": ["delimiter ',', first record taken as names"], "table": "members", "action": "created", "engine": "postgres", "source": "members.csv", "columns": [{"why": "whole numbers from 1 to 3", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "text", "name": "name", "type": "text", "not_null": false, "original": "name"}, {"why": "dates (ISO 8601)", "name": "joined", "type": "date", "not_null": false, "original": "joined"}], "indexes": [], "rejects": 0, "difference": [], "primary_key": ["id"], "foreign_keys": [], "key_candidates": []}], "dataset": "public", "dry_run": false, "rejects": 0, "seconds": 0.303, "database": "main", "rejects_file": null}
be51c016-c0ea-42e9-94cb-a8b00463499d	2026-11-28 09:11:46.504997+00	2026-11-28 09:11:47.978562+00	public	{members_1.csv}	{"run": "be51c016-c0ea-42e9-94cb-a8b00463499d", "rows": 2, "tables": [{"ddl": "CREATE TABLE \\"public\\".\\"members\\" (\\n    \\"id\\" smallint,\\n    \\"name\\" text,\\n    \\"joined\\" date\\n);\\nALTER TABLE \\"public\\".\\"members\\" ADD CONSTRAINT \\"members_pkey\\" PRIMARY KEY (\\"id\\");\\n", "made": ["members_pkey"], "rows": 2, "notes": ["delimiter ',', first record taken as names"], "table": "members", "action": "replaced", "engine": "postgres", "source": "members_1.csv", "columns": [{"why": "whole numbers from 1 to 2", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "text", "name": "name", "type": "text", "not_null": false, "original": "name"}, {"why": "dates (ISO 8601)", "name": "joined", "type": "date", "not_null": false, "original": "joined"}], "indexes": [], "rejects": 0, "difference": [], "primary_key": ["id"], "foreign_keys": [], "key_candidates": []}], "dataset": "public", "dry_run": false, "rejects": 0, "seconds": 1.473, "database": "main", "rejects_file": null}
f29be6b6-38eb-4d3e-a597-0d9138cb609f	2026-11-28 09:11:52.903666+00	2026-11-28 09:11:54.046162+00	public	{members_2.csv}	{"run": "f29be6b6-38eb-4d3e-a597-0d9138cb609f", "rows": 1, "tables": [{"ddl": "CREATE TABLE \\"public\\".\\"members\\" (\\n    \\"id\\" smallint,\\n    \\"name\\" text,\\n    \\"joined\\" date\\n);\\n", "made": [], "rows": 1, "notes": ["delimiter ',', first record taken as names"], "table": "members", "action": "appended", "engine": "postgres", "source": "members_2.csv", "columns": [{"why": "whole numbers from 3 to 3", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "text", "name": "name", "type": "text", "not_null": false, "original": "name"}, {"why": "dates (ISO 8601)", "name": "joined", "type": "date", "not_null": false, "original": "joined"}], "indexes": [], "rejects": 0, "difference": [], "primary_key": [], "foreign_keys": [], "key_candidates": []}], "dataset": "public", "dry_run": false, "rejects": 0, "seconds": 1.141, "database": "main", "rejects_file": null}
15f3e372-5053-4e23-be3e-13a3501de146	2026-11-28 09:11:58.582465+00	2026-11-28 09:12:00.294902+00	finance	{payments.csv}	{"run": "15f3e372-5053-4e23-be3e-13a3501de146", "rows": 2, "tables": [{"ddl": "CREATE TABLE \\"finance\\".\\"payments\\" (\\n    \\"id\\" smallint,\\n    \\"amount\\" numeric,\\n    \\"paid\\" date\\n);\\n", "made": [], "rows": 2, "notes": ["delimiter ',', first record taken as names"], "table": "payments", "action": "created", "engine": "postgres", "source": "payments.csv", "columns": [{"why": "whole numbers from 1 to 3", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "decimals with up to 2 places, exact", "name": "amount", "type": "numeric", "not_null": false, "original": "amount"}, {"why": "dates (ISO 8601)", "name": "paid", "type": "date", "not_null": false, "original": "paid"}], "indexes": [], "rejects": 1, "difference": [], "primary_key": [], "foreign_keys": [], "key_candidates": ["id", "amount", "paid"]}], "dataset": "finance", "dry_run": false, "rejects": 1, "seconds": 1.711, "database": "main", "rejects_file": "/var/lib/myriad/rejects/15f3e372-5053-4e23-be3e-13a3501de146.jsonl"}
385725f1-4897-4d81-af5c-e96dc9b48c4d	2026-11-28 09:12:14.55501+00	2026-11-28 09:12:16.701917+00	finance	{payments.csv}	{"run": "385725f1-4897-4d81-af5c-e96dc9b48c4d", "rows": 2, "tables": [{"ddl": "CREATE TABLE \\"finance\\".\\"payments\\" (\\n    \\"id\\" smallint,\\n    \\"amount\\" numeric,\\n    \\"paid\\" date\\n);\\n", "made": [], "rows": 2, "notes": ["delimiter ',', first record taken as names"], "table": "payments", "action": "replaced", "engine": "postgres", "source": "payments.csv", "columns": [{"why": "whole numbers from 1 to 3", "name": "id", "type": "smallint", "not_null": false, "original": "id"}, {"why": "decimals with up to 2 places, exact", "name": "amount", "type": "numeric", "not_null": false, "original": "amount"}, {"why": "dates (ISO 8601)", "name": "paid", "type": "date", "not_null": false, "original": "paid"}], "indexes": [], "rejects": 1, "difference": [], "primary_key": [], "foreign_keys": [], "key_candidates": ["id", "amount", "paid"]}], "dataset": "finance", "dry_run": false, "rejects": 1, "seconds": 2.146, "database": "main", "rejects_file": "/var/lib/myriad/rejects/385725f1-4897-4d81-af5c-e96dc9b48c4d.jsonl"}
\.
COPY public.members (id, name, joined) FROM stdin;
1	Ada	2024-01-05
2	Grace	2024-02-11
3	Lin	2025-12-31
\.
ALTER TABLE ONLY myriad.published
    ADD CONSTRAINT published_pkey PRIMARY KEY (dataset, name);
ALTER TABLE ONLY myriad.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run);
ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);
ALTER TABLE ONLY myriad.published
    ADD CONSTRAINT published_run_fkey FOREIGN KEY (run) REFERENCES myriad.run(run);
ALTER TABLE ONLY myriad.reject
    ADD CONSTRAINT reject_run_fkey FOREIGN KEY (run) REFERENCES myriad.run(run);
REVOKE CONNECT,TEMPORARY ON DATABASE main FROM PUBLIC;
GRANT CONNECT ON DATABASE main TO myriad_owner;
GRANT CONNECT ON DATABASE main TO analysts;
GRANT CONNECT ON DATABASE main TO night;
GRANT USAGE ON SCHEMA finance TO analysts;
GRANT USAGE ON SCHEMA public TO analysts;
GRANT USAGE ON SCHEMA public TO night;
REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
GRANT SELECT ON TABLE finance.payments TO analysts;
GRANT SELECT ON TABLE public.members TO analysts;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.members TO night;
ALTER DEFAULT PRIVILEGES FOR ROLE myriad IN SCHEMA finance GRANT SELECT ON TABLES TO analysts;
ALTER DEFAULT PRIVILEGES FOR ROLE myriad IN SCHEMA public GRANT USAGE ON SEQUENCES TO night;
ALTER DEFAULT PRIVILEGES FOR ROLE myriad IN SCHEMA public GRANT SELECT ON TABLES TO analysts;
ALTER DEFAULT PRIVILEGES FOR ROLE myriad IN SCHEMA public GRANT SELECT,INSERT,DELETE,UPDATE ON TABLES TO night;
