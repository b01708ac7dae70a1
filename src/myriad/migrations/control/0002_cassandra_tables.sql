-- The number that Cassandra knows a table by; null: published before it was kept.
ALTER TABLE public.cassandra_published ADD COLUMN IF NOT EXISTS table_id uuid;
-- How many rows each range of tokens shall have when the load is shown: [[start, end, rows], ...].
ALTER TABLE public.cassandra_load ADD COLUMN IF NOT EXISTS ranges jsonb;
-- Loads that do not know which table they are for begin anew.
DELETE FROM public.cassandra_load WHERE plan -> 'table_id' IS NULL;
