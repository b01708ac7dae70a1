-- Staged tables that have done their work, or never will: whoever keeps Cassandra drops them.
CREATE TABLE IF NOT EXISTS public.cassandra_left (staged text PRIMARY KEY);
