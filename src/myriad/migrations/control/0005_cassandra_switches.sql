-- What makes a switch whole when the publish that began it was killed: what is to be written down as
-- published, and the process of each node, [[pid, start], ...], that has the rows in its memory.
ALTER TABLE public.cassandra_load ADD COLUMN IF NOT EXISTS published jsonb;
ALTER TABLE public.cassandra_load ADD COLUMN IF NOT EXISTS nodes jsonb;
-- `shown`: finished, by somebody else; the same command knows it by that.
ALTER TABLE public.cassandra_load DROP CONSTRAINT IF EXISTS cassandra_load_state_check;
ALTER TABLE public.cassandra_load ADD CONSTRAINT cassandra_load_state_check
    CHECK (state IN ('loading', 'loaded', 'switching', 'shown'));
