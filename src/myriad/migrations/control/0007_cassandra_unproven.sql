-- `unproven`: it was shown, and was not what was loaded; the same command shows it once more.
ALTER TABLE public.cassandra_load DROP CONSTRAINT IF EXISTS cassandra_load_state_check;
ALTER TABLE public.cassandra_load ADD CONSTRAINT cassandra_load_state_check
    CHECK (state IN ('loading', 'loaded', 'switching', 'unproven', 'shown'));
