"""Names in CQL: quoted, so that any text is a name and nothing else."""

import re

from myriad.errors import UsageError

MOST_CHARACTERS = 48  # SchemaConstants.NAME_LENGTH: a table's name becomes that of a folder
_PLAIN = re.compile(r"[A-Za-z0-9_]+", re.ASCII)


def quoted(name: str) -> str:
    """Return a name in double quotes, as CQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def qualified(keyspace: str, name: str) -> str:
    """Return the quoted name of something in a keyspace."""
    return f"{quoted(keyspace)}.{quoted(name)}"


def check(what: str, name: str) -> None:
    """Raise UsageError unless Cassandra takes that name for a keyspace or table (`what`)."""
    if not _PLAIN.fullmatch(name) or len(name) > MOST_CHARACTERS:
        raise UsageError(
            f"{name!r} is no name of a {what} in Cassandra",
            hint=f"1 to {MOST_CHARACTERS} of the letters a-z and A-Z, digits and _.",
        )
