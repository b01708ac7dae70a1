"""After a crash: remove the files of tables whose transactions died with the server.

PostgreSQL leaves them for ever: nothing in its catalog names them any more.
"""

import logging
import re
from contextlib import closing, suppress
from pathlib import Path

import psycopg

from myriad.engines.postgres.base import Server

# 16384 and its kin: a relation's file, its forks (_fsm, _vm, _init) and segments of 1 GB (.1).
RELATION_FILE = re.compile(r"(\d+)(?:_(?:fsm|vm|init))?(?:\.\d+)?")
FIRST_OF_USERS = 16384  # PostgreSQL's FirstNormalObjectId; below are its own catalogs

log = logging.getLogger("myriad.engines")


def sweep(server: Server, data: Path) -> list[Path]:
    """Remove relation files that no catalog names and that are older than the server's start.

    Only for a server of our own, after it crashed. Returns what was removed.
    Raises psycopg.Error.
    """
    with closing(server.connect(autocommit=True)) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2"
        ).fetchall()
        debris = [path for (name,) in names for path in _look(server, name, data)]
        if debris:
            # So that the checkpointer has nothing left to flush to a file that disappears.
            connection.execute("CHECKPOINT")
    for path in debris:
        with suppress(FileNotFoundError):
            path.unlink()
    return debris


def _look(server: Server, database: str, data: Path) -> list[Path]:
    """Return one database's debris; what its owner did to it must not keep the server down."""
    try:
        with closing(server.connect(database, autocommit=True)) as connection:
            return _debris(connection, data)
    except psycopg.Error as error:
        log.warning("files of database %s were not looked at after the crash: %s", database, error)
        return []


def _debris(connection: psycopg.Connection, data: Path) -> list[Path]:
    row = connection.execute(
        "SELECT oid, extract(epoch FROM pg_postmaster_start_time())::float8,"
        " EXISTS (SELECT FROM pg_prepared_xacts WHERE database = datname)"
        " FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    if row is None or row[2]:  # a prepared transaction's files are in no catalog that we can see
        return []
    files = _old_files(data / "base" / str(row[0]), row[1])
    unknown = connection.execute(
        "SELECT node FROM unnest(%s::oid[]) AS node WHERE pg_filenode_relation(0, node) IS NULL",
        [sorted(files)],
    ).fetchall()
    return [path for (node,) in unknown for path in files[node]]


def _old_files(folder: Path, started: float) -> dict[int, list[Path]]:
    """Return the files by file node of which none changed since the server started."""
    found: dict[int, list[Path]] = {}
    young: set[int] = set()
    for path in folder.iterdir():
        match = RELATION_FILE.fullmatch(path.name)
        if not match or int(match[1]) < FIRST_OF_USERS:
            continue
        node = int(match[1])
        found.setdefault(node, []).append(path)
        state = path.stat()
        if max(state.st_mtime, state.st_ctime) >= started:
            young.add(node)
    return {node: paths for node, paths in found.items() if node not in young}
