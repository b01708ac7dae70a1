"""What to do about the server's commonest errors, where PostgreSQL itself does not say it."""

from myriad.pgwire.wire import HEADER_BYTES
from myriad.pgwire.wire import message as encoded

_RIGHT = (
    "Your groups have no such right there. Whoever runs this server gives it: `myriad grant GROUP"
    " DATASET`, with --write to change rows, or --create for tables of your own."
)
_COLUMNS = (
    "Your groups have no such right there. If they may read some of its columns only, name these"
    " instead of *: information_schema.columns lists them. Whoever runs this server gives more:"
    " `myriad grant GROUP DATASET` or DATASET.TABLE, with --write to change rows."
)
_PLACE = (
    "Tables that were published are read and changed, not made, by people. Ask whoever runs this"
    " server for a place of your own: `myriad grant GROUP DATASET --create`, or a database."
)
_OWNER = "Only its owner may do that; ask whoever runs this server, or whoever made it."
_STOPPED = (
    "Unless you did that: whoever runs this server stopped it, or it wrote more than its workspace"
    " has room for."
)
_NAME = (
    "In a dataset that is not in your search_path it is called DATASET.TABLE. What you may read:"
    " SELECT table_schema, table_name FROM information_schema.tables."
)
# By SQLSTATE, and how the message begins in English; an attached server may speak otherwise.
_HINTS: dict[str, dict[str, str]] = {
    "42501": {  # insufficient_privilege
        **{f"permission denied for {kind}": _RIGHT for kind in ("schema", "sequence")},
        **{
            f"permission denied for {kind}": _COLUMNS
            for kind in ("table", "view", "materialized view", "column")
        },
        "permission denied for database": _PLACE,
        "permission denied to create temporary tables": _PLACE,
        "must be owner of": _OWNER,
    },
    "3F000": {"no schema has been selected to create in": _PLACE},  # invalid_schema_name
    "57014": {"canceling statement due to user request": _STOPPED},  # query_canceled
    "42P01": {"relation ": _NAME},  # undefined_table
}


def hinted(message: bytes, fields: dict[str, str]) -> bytes:
    """Return an ErrorResponse with a hint, where one is known and it has none; else as it is."""
    if "H" in fields:
        return message
    said = fields.get("M", "")
    for begin, hint in _HINTS.get(fields.get("C", ""), {}).items():
        if said.startswith(begin):
            # Before what ends the fields. ASCII: it is the same in every client's encoding.
            return encoded(b"E", message[HEADER_BYTES:-1] + b"H" + hint.encode() + b"\0\0")
    return message
