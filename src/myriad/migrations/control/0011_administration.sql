-- What whoever runs Myriad changed of people, groups, grants and limits: by which account of the
-- machine, as the command is written, and whom it is about. Never a password.
CREATE TABLE IF NOT EXISTS public.administration (
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    account text NOT NULL,
    statement text NOT NULL,
    names text[] NOT NULL
);
CREATE INDEX IF NOT EXISTS administration_at ON public.administration (at);
