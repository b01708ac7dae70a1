"""How Myriad's own sessions begin: `engines.postgres.base` by psycopg, `door.control` by asyncpg.

Whoever owns a database decides, by ALTER DATABASE … SET, with which settings sessions in it begin,
and what they make there may be called as PostgreSQL's own functions, operators and types are. In
our sessions neither counts: a setting of the startup message overrules those of databases and
roles before the first statement, names are looked up in PostgreSQL's own catalog only, and what
else was set is taken back. So our own tables are always written with their schema.
"""

from collections.abc import Mapping

NAMES = "pg_catalog, pg_temp"
# What counts before, or in, the first statement. Whoever may set it without being superuser was
# found by trying all of pg_settings; all else is taken back by `TAKE_BACK`.
_SETTINGS = {
    "role": "none",
    "search_path": NAMES,
    "local_preload_libraries": "",  # one that is not there would keep us out
    "row_security": "off",  # an error, and not a policy of somebody's
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "tcp_user_timeout": "0",
    "client_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "timezone_abbreviations": "Default",  # has no value that could be read in pg_settings
    "standard_conforming_strings": "on",
}
_SINCE = {"transaction_timeout": (170000, "0")}

TAKE_BACK = """
    SELECT pg_catalog.set_config(name, boot_val, false) FROM pg_catalog.pg_settings
    WHERE source IN ('database', 'user', 'database user') AND context = 'user'
      AND EXISTS (
          SELECT FROM pg_catalog.pg_db_role_setting WHERE setdatabase <> 0 OR setrole <> 0
      )
      AND NOT pg_catalog.starts_with(name, 'transaction_')"""

# No verifier in a log in this transaction, whatever the server logs; only a superuser may say so.
QUIET = """
    SELECT pg_catalog.set_config(name, value, true)
    FROM (VALUES
        ('log_statement', 'none'),
        ('log_min_duration_statement', '-1'),
        ('log_min_duration_sample', '-1'),
        ('log_transaction_sample_rate', '0'),
        ('log_min_error_statement', 'panic'),
        ('log_parameter_max_length', '0'),
        ('log_parameter_max_length_on_error', '0')
    ) AS quiet (name, value)"""


def settings(version: int) -> Mapping[str, str]:
    """Return the settings of the startup message.

    `version` is the server's, as `server_version_num` has it: it refuses settings it does not know.
    """
    newer = {name: value for name, (since, value) in _SINCE.items() if version >= since}
    return _SETTINGS | newer
