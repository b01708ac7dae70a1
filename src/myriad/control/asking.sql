-- What is asked of the door: rows of `public.request`, answered in them by each of its processes.

-- name: doors
-- The names of its processes that are there.
SELECT coalesce(array_agg(DISTINCT application_name), '{}') FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ '^myriad door( [0-9]+)?$';

-- name: sweep_requests
-- Whose asker died.
DELETE FROM public.request WHERE asked < now() - interval '1 hour';

-- name: ask
INSERT INTO public.request (what, who) VALUES (%(what)s, %(who)s::text[]) RETURNING id;

-- name: answer
SELECT answer FROM public.request WHERE id = %(id)s AND answer IS NOT NULL;
