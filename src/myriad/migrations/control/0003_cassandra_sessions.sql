-- A role that was dropped: somebody may have a session of its name yet.
ALTER TABLE public.cassandra_role ADD COLUMN IF NOT EXISTS dropped boolean NOT NULL DEFAULT false;
