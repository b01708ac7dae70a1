"""`pg_stat_activity` for who may not see others: one row, of the statement that asks.

In Myriad's own databases nobody may call `pg_stat_get_activity`: who shares a role would see what
others run. Where a text reads from the view, a sub-select stands instead. It has the view's
columns, of PostgreSQL 14 and later, and the person's name.
"""

import re
from typing import Any

from myriad.door.verdict.effects import Effects, Span
from myriad.door.verdict.rewriting import Place, quote

Node = dict[str, Any]

VIEW = "pg_stat_activity"
# Each of them adds 2 kB or more to the text; nobody joins the view with itself more often.
MOST_PLACES = 8
MOST_QUERY_BYTES = 1023  # as the server shows by default: see `track_activity_query_size`
_NAME = re.compile(rb'(?:"?pg_catalog"?\s*\.\s*)?"?pg_stat_activity"?(?:\s*\*)?', re.IGNORECASE)
_BEFORE = re.compile(rb"\b(TABLE\s+)?(?:ONLY\s+)?\Z", re.IGNORECASE)
LONGEST_BEFORE = 40  # bytes that are looked at for these words

_ROW = """(SELECT
 (SELECT d.oid FROM pg_catalog.pg_database AS d
  WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) AS datid,
 pg_catalog.current_database() AS datname,
 pg_catalog.pg_backend_pid() AS pid,
 NULL::pg_catalog.int4 AS leader_pid,
 (SELECT r.oid FROM pg_catalog.pg_roles AS r
  WHERE r.rolname OPERATOR(pg_catalog.=) {person}::pg_catalog.name) AS usesysid,
 {person}::pg_catalog.name AS usename,
 pg_catalog.current_setting('application_name') AS application_name,
 NULL::pg_catalog.inet AS client_addr,
 NULL::pg_catalog.text AS client_hostname,
 NULL::pg_catalog.int4 AS client_port,
 NULL::pg_catalog.timestamptz AS backend_start,
 pg_catalog.transaction_timestamp() AS xact_start,
 pg_catalog.statement_timestamp() AS query_start,
 pg_catalog.statement_timestamp() AS state_change,
 NULL::pg_catalog.text AS wait_event_type,
 NULL::pg_catalog.text AS wait_event,
 'active'::pg_catalog.text AS state,
 pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid AS backend_xid,
 NULL::pg_catalog.xid AS backend_xmin,
 NULL::pg_catalog.int8 AS query_id,
 {query}::pg_catalog.text AS query,
 'client backend'::pg_catalog.text AS backend_type)"""


def note_table(effects: Effects, value: object) -> None:
    """Add the view, if that is what a text reads from here."""
    table = value.get("RangeVar") if isinstance(value, dict) else None
    if not table or table.get("relname") != VIEW:
        return
    if table.get("schemaname", "pg_catalog") != "pg_catalog":
        return
    start = int(table.get("location", 0))
    found = _NAME.match(effects.source, start)
    if found is None or len(effects.activity) > MOST_PLACES:
        return  # the server says that it may not be read
    before = _BEFORE.search(effects.source, max(0, start - LONGEST_BEFORE), start)
    form = "command" if before and before[1] else "from"
    alias = "" if "alias" in table else VIEW
    effects.activity[start] = Span(before.start() if before else start, found.end(), alias, form)


def read_from(effects: Effects) -> tuple[Span, ...]:
    """Return where a text reads from the view; nowhere if that is something else, or too often."""
    if effects.shadowed or len(effects.activity) > MOST_PLACES:
        return ()
    return tuple(effects.activity.values())


def places(spans: tuple[Span, ...], person: str, text: bytes) -> list[Place]:
    """Return what to write in these places of a text of that person's."""
    shown = text[:MOST_QUERY_BYTES].decode(errors="ignore")
    row = _ROW.format(person=quote(person), query=quote(shown))
    return [Place(span.start, span.end, _written(span, row)) for span in spans]


def _written(span: Span, row: str) -> str:
    begin = "SELECT * FROM " if span.form == "command" else ""
    return begin + row + (f" AS {span.alias}" if span.alias else "")
