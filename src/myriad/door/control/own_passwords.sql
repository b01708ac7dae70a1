-- How somebody's own password is changed, as administrator.

-- name: patience
-- For who adds and removes people: they may wait for the door themselves.
SET LOCAL lock_timeout = '3s';

-- name: lock
-- As `people` does: one change at a time.
LOCK TABLE public.person IN SHARE ROW EXCLUSIVE MODE;

-- name: whose
-- By oid: a name can be used again.
SELECT r.rolname AS name,
       EXISTS (
           SELECT FROM public.cassandra_role AS c WHERE c.name = r.rolname AND NOT c.dropped
       ) AS in_cassandra
FROM pg_roles AS r
WHERE r.oid = $1;

-- name: keep
UPDATE public.person SET verifier = $2, cassandra = $3 WHERE name = $1;

-- name: follow
-- To `up`, which keeps Cassandra.
INSERT INTO public.request (what, who) VALUES ('follow', ARRAY[$1::text]);

-- name: tell
-- To all processes of the door, when the transaction is committed.
NOTIFY myriad_passwords;
