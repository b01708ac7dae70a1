"""The embedded DuckDB that reads and converts: bounded memory, no network, no home folder."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from myriad.sources.base import Workspace

# DuckDB holds 2,048 values of every column and expression, in each thread: 1,600 columns of
# numbers took 340 MB in one thread, 700 MB in two.
WIDE = 400
WIDE_COLUMNS_PER_MB = 8


def connect(
    workspace: Workspace, *, extra_mb: int = 0, columns: int = 0
) -> duckdb.DuckDBPyConnection:
    """Return a private DuckDB whose memory stays under the workspace's ceiling.

    `extra_mb` is for records that are larger than the ceiling by themselves; very many `columns`
    get more memory too, and one thread.
    """
    wide = columns > WIDE
    extra_mb += columns // WIDE_COLUMNS_PER_MB if wide else 0
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
    if wide:
        con.execute("SET threads = 1")
    con.execute("SET enable_progress_bar = false")  # it would stand in the middle of `--json`
    return con


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Let Ctrl-C be what it is everywhere in Python: DuckDB makes a RuntimeError of it."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        raise


def shared(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """Return a connection of its own to the one DuckDB that all sources of a workspace use."""
    if "engine" not in workspace.shared:
        workspace.shared["engine"] = connect(workspace)
    made: duckdb.DuckDBPyConnection = workspace.shared["engine"].cursor()
    return made
