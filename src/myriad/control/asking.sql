-- What is asked of the door: rows of `public.request`, answered in them.

-- name: door_is_there
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'myriad door'
);

-- name: sweep_requests
-- Whose asker died.
DELETE FROM public.request WHERE asked < now() - interval '1 hour';

-- name: ask
INSERT INTO public.request (what, who) VALUES (%(what)s, %(who)s::text[]) RETURNING id;

-- name: answer
SELECT answer FROM public.request WHERE id = %(id)s AND answer IS NOT NULL;
