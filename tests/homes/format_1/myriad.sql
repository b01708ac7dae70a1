SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE DATABASE myriad WITH TEMPLATE = template0 ENCODING = 'UTF8';
ALTER DATABASE myriad OWNER TO myriad;
\connect myriad
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE TABLE public.audit_0 (
    at timestamp with time zone,
    person text,
    database text,
    address text,
    seconds double precision,
    rows bigint,
    bytes bigint,
    outcome text,
    statement text
);
ALTER TABLE public.audit_0 OWNER TO myriad;
CREATE TABLE public.audit_1 (
    at timestamp with time zone,
    person text,
    database text,
    address text,
    seconds double precision,
    rows bigint,
    bytes bigint,
    outcome text,
    statement text
);
ALTER TABLE public.audit_1 OWNER TO myriad;
CREATE VIEW public.audit AS
 SELECT audit_0.at,
    audit_0.person,
    audit_0.database,
    audit_0.address,
    audit_0.seconds,
    audit_0.rows,
    audit_0.bytes,
    audit_0.outcome,
    audit_0.statement
   FROM public.audit_0
UNION ALL
 SELECT audit_1.at,
    audit_1.person,
    audit_1.database,
    audit_1.address,
    audit_1.seconds,
    audit_1.rows,
    audit_1.bytes,
    audit_1.outcome,
    audit_1.statement
   FROM public.audit_1;
ALTER VIEW public.audit OWNER TO myriad;
CREATE TABLE public.cassandra_keyspace (
    keyspace text NOT NULL,
    database text NOT NULL,
    dataset text NOT NULL,
    made boolean DEFAULT false NOT NULL
);
ALTER TABLE public.cassandra_keyspace OWNER TO myriad;
CREATE TABLE public.cassandra_load (
    keyspace text NOT NULL,
    name text NOT NULL,
    staged text NOT NULL,
    identity jsonb NOT NULL,
    stamp bigint NOT NULL,
    acknowledged bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'loading'::text NOT NULL,
    plan jsonb NOT NULL,
    touched timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT cassandra_load_state_check CHECK ((state = ANY (ARRAY['loading'::text, 'loaded'::text, 'switching'::text])))
);
ALTER TABLE public.cassandra_load OWNER TO myriad;
CREATE TABLE public.cassandra_published (
    keyspace text NOT NULL,
    name text NOT NULL,
    run uuid NOT NULL,
    started timestamp with time zone NOT NULL,
    finished timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    stamp bigint NOT NULL,
    report jsonb NOT NULL,
    rejects jsonb NOT NULL
);
ALTER TABLE public.cassandra_published OWNER TO myriad;
CREATE TABLE public.cassandra_role (
    cluster text NOT NULL,
    name text NOT NULL,
    born timestamp with time zone NOT NULL
);
ALTER TABLE public.cassandra_role OWNER TO myriad;
CREATE TABLE public.grants (
    grp text NOT NULL,
    database text NOT NULL,
    dataset text NOT NULL,
    write boolean NOT NULL
);
ALTER TABLE public.grants OWNER TO myriad;
CREATE TABLE public.grp (
    name text NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    pool text DEFAULT 'transaction'::text NOT NULL,
    CONSTRAINT grp_pool_check CHECK ((pool = ANY (ARRAY['transaction'::text, 'session'::text])))
);
ALTER TABLE public.grp OWNER TO myriad;
CREATE TABLE public.hardened (
    database oid NOT NULL,
    version text NOT NULL
);
ALTER TABLE public.hardened OWNER TO myriad;
CREATE TABLE public.limits (
    role text NOT NULL,
    name text NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT limits_value_check CHECK ((value >= (0)::double precision))
);
ALTER TABLE public.limits OWNER TO myriad;
CREATE TABLE public.person (
    name text NOT NULL,
    owner boolean NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    verifier text,
    cassandra text
);
ALTER TABLE public.person OWNER TO myriad;
CREATE TABLE public.request (
    id bigint NOT NULL,
    what text NOT NULL,
    who text[] NOT NULL,
    answer jsonb,
    asked timestamp with time zone DEFAULT now()
);
ALTER TABLE public.request OWNER TO myriad;
ALTER TABLE public.request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COPY public.audit_0 (at, person, database, address, seconds, rows, bytes, outcome, statement) FROM stdin;
2026-11-28 09:13:20.933094+00	Rose	main	127.0.0.1	0.013826	3	197	00000	SELECT * FROM members
2026-11-28 09:13:20.942666+00	Rose	main	127.0.0.1	0.008875	0	72	22012	SELECT 1/0
2026-11-28 09:13:35.813302+00	Olga	main	127.0.0.1	0.205389	0	27	00000	CREATE DATABASE lab
2026-11-28 09:13:36.104452+00	Olga	lab	127.0.0.1	0.003043	0	20	00000	CREATE TABLE own AS SELECT 1 AS a
\.
COPY public.audit_1 (at, person, database, address, seconds, rows, bytes, outcome, statement) FROM stdin;
\.
COPY public.cassandra_keyspace (keyspace, database, dataset, made) FROM stdin;
sensors	main	sensors	t
\.
COPY public.cassandra_load (keyspace, name, staged, identity, stamp, acknowledged, state, plan, touched) FROM stdin;
sensors	big	load_882b03cb27d1cb6a	{"digest": "fa81752f03bcbf343cc340cae6e8d49dcd3cfa33395c7e526f6790a93d96f5d7"}	1795857230131027	4096	loading	{"name": "big", "wanted": {"key": [["k"], []], "types": {}, "columns": {"k": "int", "v": "int"}}, "appends": false, "keyspace": "sensors", "partition": {"k": "int"}, "statements": ["CREATE TABLE IF NOT EXISTS \\"sensors\\".\\"big\\" (\\n    \\"k\\" int,\\n    \\"v\\" int,\\n    PRIMARY KEY ((\\"k\\"))\\n)"]}	2026-11-28 09:13:55.04321+00
\.
COPY public.cassandra_published (keyspace, name, run, started, finished, rows, bytes, stamp, report, rejects) FROM stdin;
sensors	readings	8f03aa67-4b7b-4de4-938c-b09726d34d0b	2026-11-28 09:12:28.703316+00	2026-11-28 09:12:49.647827+00	3	105	1795857154695248	{"ddl": "CREATE TABLE IF NOT EXISTS \\"sensors\\".\\"readings\\" (\\n    \\"sensor\\" text,\\n    \\"at\\" timestamp,\\n    \\"celsius\\" decimal,\\n    PRIMARY KEY ((\\"sensor\\"), \\"at\\")\\n) WITH CLUSTERING ORDER BY (\\"at\\" ASC);\\n", "key": "sensor/at", "asks": ["SELECT * FROM sensors.readings WHERE sensor = 'a';", "  one partition, 1.5 rows on average", "SELECT * FROM sensors.readings WHERE sensor = 'a' AND at >= '2025-01-01T00:00:00Z';", "  a range of at within the partition, in order", "SELECT * FROM sensors.readings WHERE sensor = 'a' AND at = '2025-01-01T00:00:00Z';", "  one row", "Always with sensor, each with = or IN; the others from left to right.", "Not by celsius: publish the same source under another --table with a key that begins with what you ask by."], "made": [], "rows": 3, "notes": ["delimiter ',', first record taken as names"], "table": "readings", "action": "created", "engine": "cassandra", "source": "readings.csv", "columns": [{"why": "text", "name": "sensor", "type": "text", "not_null": false, "original": "sensor"}, {"why": "timestamps with an offset", "name": "at", "type": "timestamp", "not_null": false, "original": "at"}, {"why": "decimals with up to 1 places, exact", "name": "celsius", "type": "decimal", "not_null": false, "original": "celsius"}], "indexes": [], "rejects": 0, "difference": [], "partitions": {"count": 2, "largest": ["a"], "average_rows": 1.5, "largest_rows": 2, "largest_bytes": 70}, "primary_key": [], "foreign_keys": [], "key_candidates": []}	[]
\.
COPY public.cassandra_role (cluster, name, born) FROM stdin;
myriad_f9180ed8f7d14c698a7b88789cd272fd	myriad_f9180ed8f7d14c698a7b88789cd272fd	2026-11-28 09:11:40.718834+00
myriad_f9180ed8f7d14c698a7b88789cd272fd	analysts	2026-11-28 09:12:53.155413+00
myriad_f9180ed8f7d14c698a7b88789cd272fd	night	2026-11-28 09:12:55.784855+00
myriad_f9180ed8f7d14c698a7b88789cd272fd	Rose	2026-11-28 09:12:57.978139+00
myriad_f9180ed8f7d14c698a7b88789cd272fd	Ada	2026-11-28 09:12:59.916836+00
myriad_f9180ed8f7d14c698a7b88789cd272fd	Bruno	2026-11-28 09:12:59.916836+00
myriad_f9180ed8f7d14c698a7b88789cd272fd	Olga	2026-11-28 09:13:02.184494+00
\.
COPY public.grants (grp, database, dataset, write) FROM stdin;
analysts	main	public	f
analysts	main	finance	f
night	school	staff	f
analysts	main	sensors	f
night	main	public	t
\.
COPY public.grp (name, created, pool) FROM stdin;
analysts	2026-11-28 09:12:53.155413+00	transaction
night	2026-11-28 09:12:55.784855+00	session
\.
COPY public.hardened (database, version) FROM stdin;
1	da9de0a491a9a705
5	da9de0a491a9a705
16388	da9de0a491a9a705
16389	da9de0a491a9a705
\.
COPY public.limits (role, name, value) FROM stdin;
night	rows	100
Rose	statement_seconds	30
\.
COPY public.person (name, owner, created, verifier, cassandra) FROM stdin;
Rose	f	2026-11-28 09:12:57.978139+00	SCRAM-SHA-256$4096:armAmAV6cMcJsm+PsuPMZg==$mECr2gT4KXQxmbKHEiSJmCeLM80ba/rxVz4y5ufkvak=:OeVvh8WFsX+vGU89pHB5UvyeHOn1oCIiTg1lTg5yifE=	$2a$10$CWeUf7l360dswXBxRwmRMuxEDSMzG2RCtcIcKld6rcxTBXEu/8HEW
Bruno	f	2026-11-28 09:12:59.916836+00	SCRAM-SHA-256$4096:u+51hQ3QMsO1SMg8Pasuzg==$ztGA1+WPwskS3m2nDaFqjRiHCbjzrOm2VuiEMP/C9XI=:1FydVqgIG6jG40WEcO5wIwEFIvmUowKIFS1TWa+l+yQ=	$2a$10$EXMLc.K4NOWgXnBuNQ1hjOkMaqRCcfzr7My8FmFUYyZpb7IsHNzd.
Ada	f	2026-11-28 09:12:59.916836+00	SCRAM-SHA-256$4096:ZOhL282FPAGU3Qb9sKYirQ==$ghVCvy3Oh4a8rX5idyLX2ZPoaUSbz6CtkPGOycYA3J4=:NYOxkvCe/xrWpEpjwRZsF1cUWmP2V644WGB6wSBqFsQ=	$2a$10$m3h6qy1P.pXuUZYb1xxLCO4NJl.vd7TpTNrIphXDQTei4iO0Hkr/G
Olga	t	2026-11-28 09:13:02.184494+00	SCRAM-SHA-256$4096:9ZAh/Aqa8AwIt0w6E3ohIQ==$06WecdpP4SAQBn9nsS+JuoDDY1ktUqqz3TAl5UazS7Y=:PsN+vt1lNdkt5gD94iq6oFzepD2wZDMn9UkX/yFLvWk=	$2a$10$Tm01.pi/CIEpAfVbmPWKC.o588NE0QlKfIGHxKLhf/BaY1LEP5Lv2
\.
COPY public.request (id, what, who, answer, asked) FROM stdin;
\.
SELECT pg_catalog.setval('public.request_id_seq', 1, false);
ALTER TABLE ONLY public.cassandra_keyspace
    ADD CONSTRAINT cassandra_keyspace_database_dataset_key UNIQUE (database, dataset);
ALTER TABLE ONLY public.cassandra_keyspace
    ADD CONSTRAINT cassandra_keyspace_pkey PRIMARY KEY (keyspace);
ALTER TABLE ONLY public.cassandra_load
    ADD CONSTRAINT cassandra_load_pkey PRIMARY KEY (keyspace, name);
ALTER TABLE ONLY public.cassandra_published
    ADD CONSTRAINT cassandra_published_pkey PRIMARY KEY (keyspace, name);
ALTER TABLE ONLY public.cassandra_role
    ADD CONSTRAINT cassandra_role_pkey PRIMARY KEY (cluster, name);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (grp, database, dataset);
ALTER TABLE ONLY public.grp
    ADD CONSTRAINT grp_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.hardened
    ADD CONSTRAINT hardened_pkey PRIMARY KEY (database);
ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (role, name);
ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.request
    ADD CONSTRAINT request_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.cassandra_published
    ADD CONSTRAINT cassandra_published_keyspace_fkey FOREIGN KEY (keyspace) REFERENCES public.cassandra_keyspace(keyspace);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_grp_fkey FOREIGN KEY (grp) REFERENCES public.grp(name) ON DELETE CASCADE;
REVOKE CONNECT,TEMPORARY ON DATABASE myriad FROM PUBLIC;
REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
