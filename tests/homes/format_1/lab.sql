SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE DATABASE lab WITH TEMPLATE = template0 ENCODING = 'UTF8';
ALTER DATABASE lab OWNER TO "Olga";
\connect lab
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE TABLE public.own (
    a integer
);
ALTER TABLE public.own OWNER TO "Olga";
COPY public.own (a) FROM stdin;
1
\.
REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
GRANT ALL ON LANGUAGE plpgsql TO myriad_owner;
