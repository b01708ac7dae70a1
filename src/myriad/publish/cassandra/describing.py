"""What a table in Cassandra is and how fresh: in its comment, where every client shows it."""

from myriad import named_sql
from myriad.cql.names import qualified
from myriad.cql.session import Session
from myriad.errors import EngineError
from myriad.publish import recipe_record
from myriad.publish.cassandra.record import Record
from myriad.publish.comments import comment

query = named_sql.load("myriad.publish.cassandra", "describing.sql").query
_SAID = "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"


def freshen(session: Session, record: Record, keyspace: str, name: str) -> list[str]:
    """Let the comment of a published table say what it is, since when, and from what.

    One that somebody wrote by hand stays. Returns a note where Cassandra does not take it.
    """
    place = {"keyspace": keyspace, "name": name}
    facts = query(record.connection, "facts", **place)
    said = session.query(_SAID, [keyspace, name])
    if not facts or not said or said[0][0] not in (None, "", facts[0]["written"]):
        return []
    text = comment(facts[0])
    try:
        _say(session, keyspace, name, text)
    except EngineError as error:
        return [f"its comment in Cassandra is not up to date: {error}"]
    query(record.connection, "written", comment=text, **place)
    return []


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
    quoted = text.replace("'", "''")
    session.query(f"ALTER TABLE {qualified(keyspace, name)} WITH comment = '{quoted}'")
    session.await_schema()
