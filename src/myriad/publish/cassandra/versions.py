"""Versions of tables in Cassandra: their files stay, under a second name, on every node.

How, and why not otherwise: decisions/0014-versions-in-cassandra.md.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.engines.cassandra import kept_files
from myriad.engines.cassandra.all_nodes import Files, with_all_nodes
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.kept_files import Kept
from myriad.engines.postgres.base import Server
from myriad.errors import EngineError, NotRunning
from myriad.named_sql import Row
from myriad.publish.cassandra import existing
from myriad.publish.cassandra.record import Record
from myriad.publish.keeping import DAY, Keeping

query = named_sql.load("myriad.publish.cassandra", "versions.sql").query
_DROPPED = (
    "SELECT column_name, kind, type FROM system_schema.dropped_columns"
    " WHERE keyspace_name = ? AND table_name = ?"
)
NOT_KEPT = (
    "in Cassandra the version before is not kept: it is larger than the settings"
    " `versions_megabytes` and `versions_disk_percent` allow"
)


@dataclass(frozen=True)
class Versions:
    """Keeps what tables are, and forgets what is too old or too large."""

    cluster: Cluster
    session: Session
    record: Record
    keeping: Keeping
    server: Server

    def query(self, statement: str, /, **values: object) -> list[Row]:
        """Run one of the statements in `versions.sql`."""
        return query(self.record.connection, statement, **values)

    def keep(self, keyspace: str, name: str, *, unbounded: bool = False) -> tuple[int, list[str]]:
        """Keep what is published and there; return its number, 0 if it is not kept, and notes.

        Whoever calls has claimed the table. `unbounded`: whatever the settings say.
        Raises EngineError.
        """
        published = self.record.published(keyspace, name)
        there = existing.table_id(self.session, keyspace, name)
        if published is None or not there or there != str(published.table_id):
            return 0, []
        place = {"keyspace": keyspace, "name": name}
        if self.keeping.versions == 0 and not unbounded:
            return 0, []
        files = str(uuid4())
        made = Jsonb(_made(self.session, keyspace, name))
        [row] = self.query("keep", files=files, made=made, **place)
        table, kept = Files(keyspace, name, there), Kept(keyspace, name, files)
        size = with_all_nodes(self.cluster, partial(self._keep, table, kept))
        if not unbounded and self.keeping.most is not None and size > self.keeping.most:
            self.query("unkept", files=files)
            self.sweep()
            return 0, [NOT_KEPT]
        self.query("kept", files=files, bytes=size)
        return row["number"], []

    def _keep(self, table: Files, kept: Kept) -> int:
        # A node may have to hear of it yet: but not of what nobody has any more.
        if existing.table_id(self.session, table.keyspace, table.name) != table.table_id:
            raise _dropped(table.keyspace, table.name)
        return kept_files.keep(self.cluster, table, kept)

    @contextmanager
    def kept_beside(self, keyspace: str, *names: str) -> Iterator[Callable[[], list[str]]]:
        """Keep what these tables are beside what is done meanwhile.

        Give what waits for that, and returns notes or raises as `keep` does.
        """

        def keep() -> list[str]:
            with self.cluster.session() as session:
                own = replace(self, session=session)
                return [note for name in names for note in own.keep(keyspace, name)[1]]

        with ThreadPoolExecutor(1, "cassandra-keep") as beside:
            yield beside.submit(keep).result

    def expire(self, keyspace: str, name: str) -> None:
        """Forget what is not to be kept any longer."""
        place = {"keyspace": keyspace, "name": name}
        self.query("too_old", keep=self.keeping.versions, **place)
        self.query("forgotten", seconds=self.keeping.days * DAY)
        if self.keeping.most is not None:
            self.query("too_large", keyspace=keyspace, most=self.keeping.most)
        self.query("forget_past", **place)
        self.sweep()

    def sweep(self) -> None:
        """Remove files that no version has; where a node is down, the next one does."""
        if self.cluster.kind != "embedded":
            return
        # Before the record is read: what is kept from now on is in it first.
        there = kept_files.kept_now(self.cluster)
        needed = {row["files"] for row in self.query("files")}
        with suppress(NotRunning):
            kept_files.forget(self.cluster, there - needed)


def _made(session: Session, keyspace: str, name: str) -> dict[str, Any]:
    """Return what makes a table that is there again: CQL, and the fields of its types.

    Files may have columns that were dropped: only a table that had them opens such files.
    """
    there = existing.find(session, keyspace, name)
    if there is None:
        raise _dropped(keyspace, name)
    rows = session.query(f"DESCRIBE TABLE {qualified(keyspace, name)}")
    [table] = [row[-1] for row in rows if row[1] == "table"]
    fields = existing.fields_of_types(session, keyspace)
    used = list(dict.fromkeys(_used(there.columns.values(), fields)))
    types = [session.query(f"DESCRIBE TYPE {qualified(keyspace, kind)}")[0][-1] for kind in used]
    dropped = [
        (column, kind, of)
        for column, kind, of in session.query(_DROPPED, [keyspace, name])
        if column not in there.columns
    ]
    more = "".join(
        f"    {quoted(column)} {of}{' static' if kind == 'static' else ''},\n"
        for column, kind, of in dropped
    )
    place = qualified(keyspace, name)
    return {
        "types": [_again(text) for text in types],
        "table": _again(table).replace(" (\n", f" (\n{more}", 1),
        "drops": [f"ALTER TABLE {place} DROP IF EXISTS {quoted(c)}" for c, _, _ in dropped],
        "fields": {kind: fields[kind] for kind in used},
        "columns": dict(there.columns),
    }


def _dropped(keyspace: str, name: str) -> EngineError:
    return EngineError(f"{keyspace}.{name} was dropped just now", hint="Publish it again.")


def _again(statement: str) -> str:
    """Return a statement that may be run twice."""
    return re.sub(r"^CREATE (TABLE|TYPE) ", r"CREATE \1 IF NOT EXISTS ", statement).rstrip("; \n")


def _used(kinds: Iterable[str], fields: dict[str, list[list[str]]]) -> Iterator[str]:
    """Yield the types of people's that these have, inner ones first."""
    for kind in kinds:
        for word in re.findall(r"\w+", kind):
            if word in fields:
                yield from _used([of for _, of in fields[word]], fields)
                yield word
