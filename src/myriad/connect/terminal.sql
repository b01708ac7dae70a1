-- name: safe
-- Schemas in which nobody makes anything, or ever has, but superusers and the role that asks: a
-- superuser must not call by a short name what somebody else wrote. `public` is its database's
-- owner's.
SELECT n.nspname
FROM pg_namespace AS n
JOIN pg_database AS d ON d.datname = current_database()
CROSS JOIN LATERAL (
    SELECT array_agg(oid) AS known FROM pg_roles WHERE rolsuper OR rolname = session_user
) AS ours
WHERE NOT starts_with(n.nspname, 'pg_') AND NOT starts_with(n.nspname, 'myriad')
  AND n.nspname <> 'information_schema'
  AND CASE WHEN n.nspowner = 'pg_database_owner'::regrole THEN d.datdba ELSE n.nspowner END
      = ANY (ours.known)
  AND NOT EXISTS (
      SELECT FROM aclexplode(n.nspacl) AS given
      WHERE given.privilege_type = 'CREATE'
        AND given.grantee <> 'pg_database_owner'::regrole AND given.grantee <> ALL (ours.known)
  )
  AND NOT EXISTS (
      SELECT FROM pg_proc WHERE pronamespace = n.oid AND proowner <> ALL (ours.known)
      UNION ALL
      SELECT FROM pg_operator WHERE oprnamespace = n.oid AND oprowner <> ALL (ours.known)
      UNION ALL
      SELECT FROM pg_type WHERE typnamespace = n.oid AND typowner <> ALL (ours.known)
      UNION ALL
      SELECT FROM pg_class WHERE relnamespace = n.oid AND relowner <> ALL (ours.known)
  )
ORDER BY n.nspname <> 'public', n.nspname;
