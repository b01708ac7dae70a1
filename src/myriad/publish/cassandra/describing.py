"""What a table in Cassandra is and how fresh: in its comment, where every client shows it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg

from myriad import named_sql
from myriad.cql.names import qualified
from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.errors import EngineError
from myriad.publish import recipe_record
from myriad.publish.cassandra.record import Record
from myriad.publish.comments import comment

query = named_sql.load("myriad.publish.cassandra", "describing.sql").query
_SAID = "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"


def freshen(
    session: Session,
    record: Record,
    keyspace: str,
    name: str,
    coming: Mapping[str, Any] | None = None,
) -> list[str]:
    """Let the comment of a published table say what it is, since when, and from what.

    `coming`: what is going to be written down as published (`Publication`), if it is not yet. One
    that somebody wrote by hand stays. Returns a note where Cassandra does not take it.
    """
    facts, said = _facts(record, keyspace, name, coming), session.query(_SAID, [keyspace, name])
    if facts is None or not said or said[0][0] not in (None, "", facts["written"]):
        return []
    text = comment(facts)
    if said[0][0] == text:
        return []
    try:
        _say(session, keyspace, name, text)
    except EngineError as error:
        return [f"its comment in Cassandra is not up to date: {error}"]
    _written(record, keyspace, name, text)
    return []


@contextmanager
def beside(
    cluster: Cluster, record: Record, keyspace: str, name: str, coming: Mapping[str, Any]
) -> Iterator[None]:
    """Do as `freshen` beside what is done meanwhile: to change a table takes as long as all that.

    What fails is left to `freshen`, when it is written down.
    """

    def say() -> None:
        with suppress(EngineError, psycopg.Error), cluster.session() as session:
            freshen(session, record, keyspace, name, coming)

    with ThreadPoolExecutor(1, "cassandra-comment") as thread:
        thread.submit(say)
        yield


def first(record: Record, keyspace: str, name: str, coming: Mapping[str, Any]) -> str:
    """Return the comment of a table that is about to be made; see `freshen`."""
    facts = _facts(record, keyspace, name, coming)
    text = comment(facts or {})
    _written(record, keyspace, name, text)
    return text


def _facts(
    record: Record, keyspace: str, name: str, coming: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return what a comment is made of, and the one that was `written` last; None: of nothing."""
    [facts] = query(record.connection, "facts", keyspace=keyspace, name=name)
    if coming is None:
        return facts if facts["finished"] else None
    described = facts["description"] or coming["report"].get("recipe", {}).get("description")
    new = {"rows": coming["rows"], "source": coming["report"]["source"], "description": described}
    return {**facts, **new, "finished": datetime.now(UTC)}


def _written(record: Record, keyspace: str, name: str, text: str) -> None:
    query(record.connection, "written", keyspace=keyspace, name=name, comment=text)


def describe(session: Session, record: Record, keyspace: str, name: str, text: str) -> None:
    """Say of a table what it is; an empty text says nothing any more. Raises EngineError.

    Whatever was said before goes, also what somebody wrote by hand.
    """
    place = record.keyspace(keyspace)
    with record.connection.transaction():
        query(record.connection, "describe", keyspace=keyspace, name=name, text=text or None)
        if place is not None:
            said = recipe_record.one(record.connection, place[:2], name).describing({"": text})
            recipe_record.write(record.connection, place[:2], name, said.as_data())
    _say(session, keyspace, name, "")
    freshen(session, record, keyspace, name)


def forget(record: Record, keyspace: str, name: str) -> None:
    """Forget what was said of a table."""
    query(record.connection, "forget", keyspace=keyspace, name=name)


def _say(session: Session, keyspace: str, name: str, text: str) -> None:
    session.query(f"ALTER TABLE {qualified(keyspace, name)} WITH {option(text)}")
    session.await_schema()


def option(comment: str) -> str:
    """Return the option of a table, in CQL, that says so."""
    quoted = comment.replace("'", "''")
    return f"comment = '{quoted}'"
