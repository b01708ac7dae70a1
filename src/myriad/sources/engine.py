"""The embedded DuckDB that reads and converts: bounded memory, no network, no home folder."""

import duckdb

from myriad.sources.base import Workspace


def connect(workspace: Workspace, *, extra_mb: int = 0) -> duckdb.DuckDBPyConnection:
    """Return a private DuckDB whose memory stays under the workspace's ceiling.

    `extra_mb` is for records that are larger than the ceiling by themselves.
    """
    con = duckdb.connect(
        config={
            "memory_limit": f"{workspace.memory_mb + extra_mb}MB",
            "temp_directory": str(workspace.folder),
            "home_directory": str(workspace.folder),
            "preserve_insertion_order": "false",
            # Nothing is fetched while reading: what is not built in does not exist.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")  # it would stand in the middle of `--json`
    return con
