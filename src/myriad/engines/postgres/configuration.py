"""The configuration of the embedded PostgreSQL, sized from the machine; rewritten at each start."""

from pathlib import Path

from myriad.machine.resources import Machine
from myriad.settings import OWN_CONNECTIONS, Settings

FILE = "myriad.conf"
PORT = 5432  # only a part of the socket's name: nothing listens on it
FIRST_MAP_TO_ALL = 16  # the version whose pg_ident.conf knows `all`
GATHER_WORKERS = 2  # of one parallel query; PostgreSQL's own default
GB_IN_MB = 1024
NOTE = "# Myriad writes this file at each start.\n"


def values(settings: Settings, sockets: Path, have: Machine) -> dict[str, str | int]:
    """Return PostgreSQL's settings."""
    memory = have.memory_mb
    shared = settings.shared_buffers_mb or _between(128, memory // 4, 8 * GB_IN_MB)
    return {
        "listen_addresses": "",  # people come through the door, which comes over the socket
        "port": PORT,
        "unix_socket_directories": f'"{str(sockets).replace(chr(34), chr(34) * 2)}"',
        "unix_socket_permissions": "0700",
        "max_connections": settings.max_connections,
        # Half of what the door leaves to Myriad's own connections: there even if it miscounted.
        "superuser_reserved_connections": OWN_CONNECTIONS // 2,
        "password_encryption": "scram-sha-256",
        # Each role made holds a lock until the commit: room for 50,000 people at once.
        "max_locks_per_transaction": _between(256, 51_200 // settings.max_connections, 5120),
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{_between(256, memory * 2 // 3, 1 << 20)}MB",
        "maintenance_work_mem": f"{_between(64, memory // 16, GB_IN_MB)}MB",
        "work_mem": f"{_between(4, memory // (2 * settings.max_connections), 64)}MB",
        "temp_file_limit": f"{_spill_mb(settings, have)}MB",
        "max_parallel_workers_per_gather": GATHER_WORKERS,
        "max_parallel_workers": _between(2, have.cores, 64),
        "max_parallel_maintenance_workers": _between(1, have.cores // 2, 8),
        # An acknowledged commit is never lost.
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        # COPY into a table of the same transaction writes no WAL: 3 M rows in 5.3, not 8.4 s.
        "wal_level": "minimal",
        "max_wal_senders": 0,
        # Few checkpoints while loading, but never more than a tenth of what the disk has left.
        "max_wal_size": f"{_between(256, have.free_mb // 10, 8 * GB_IN_MB)}MB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # A killed client's statement ends soon, and with it the locks that it holds.
        "client_connection_check_interval": "1s",
        # Myriad starts it again: one place handles every crash, and sweeps after it.
        "restart_after_crash": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_min_error_statement": "panic",  # a statement may hold a password
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "lc_messages": "C",
    }


def _spill_mb(settings: Settings, have: Machine) -> int:
    """Return what one process may spill to the disk (sorts, hashes), in MB.

    As much that one person, with all statements that the limits allow at once, each with its
    parallel workers, fills half of the disk that is free now. Myriad's own connections have no
    such limit: they build indexes.
    """
    statements = settings.limit_concurrent or settings.max_connections
    each = have.free_mb // 2 // (statements * (1 + GATHER_WORKERS))
    return _between(64, each, 1 << 20)


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def hba(major: int) -> str:
    """Return who may log in from where: over the Unix socket Myriad and the door, as anybody.

    Before PostgreSQL 16 no map can say `anybody`. There the folder of the socket is the guard: it
    is closed to all but Myriad's user and PostgreSQL's, who owns the data anyway.
    """
    how = "peer map=myriad" if major >= FIRST_MAP_TO_ALL else "trust"
    return f"{NOTE}local all all {how}\nhost all all all reject\n"


def ident(system_user: str) -> str:
    """Return the map from the system's user to every role (see `hba`)."""
    quoted = system_user.replace('"', '""')
    return f'{NOTE}myriad "{quoted}" all\n'


def render(settings: dict[str, str | int]) -> str:
    """Return the text of a PostgreSQL configuration file."""
    lines = (f"{name} = {_literal(value)}\n" for name, value in settings.items())
    return NOTE + "".join(lines)


def _literal(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
