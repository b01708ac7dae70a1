"""What a table in Cassandra is and how fresh: in its comment, where every client shows it."""

from myriad import named_sql
from myriad.cql.names import qualified
from myriad.cql.session import Session
from myriad.errors import EngineError
from myriad.publish.cassandra.record import Record
from myriad.publish.comments import comment

_SQL = named_sql.load("myriad.publish.cassandra", "describing.sql")
_SAID = "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"


def freshen(session: Session, record: Record, keyspace: str, name: str) -> list[str]:
    """Let the comment of a published table say what it is, since when, and from what.

    One that somebody wrote by hand stays. Returns a note where Cassandra does not take it.
    """
    facts = record.one(_SQL["facts"], {"keyspace": keyspace, "name": name})
    said = session.query(_SAID, [keyspace, name])
    if facts is None or not said or said[0][0] not in (None, "", facts["written"]):
        return []
    text = comment(facts)
    try:
        _say(session, keyspace, name, text)
    except EngineError as error:
        return [f"its comment in Cassandra is not up to date: {error}"]
    values = {"keyspace": keyspace, "name": name, "comment": text}
    record.connection.execute(_SQL["written"], values)
    return []


def describe(session: Session, record: Record, keyspace: str, name: str, text: str) -> None:
    """Say of a table what it is; an empty text says nothing any more. Raises EngineError.

    Whatever was said before goes, also what somebody wrote by hand.
    """
    values = {"keyspace": keyspace, "name": name, "text": text or None}
    record.connection.execute(_SQL["describe"], values)
    _say(session, keyspace, name, "")
    freshen(session, record, keyspace, name)


def forget(record: Record, keyspace: str, name: str) -> None:
    """Forget what was said of a table."""
    record.connection.execute(_SQL["forget"], {"keyspace": keyspace, "name": name})


def _say(session: Session, keyspace: str, name: str, text: str) -> None:
    quoted = text.replace("'", "''")
    session.query(f"ALTER TABLE {qualified(keyspace, name)} WITH comment = '{quoted}'")
    session.await_schema()
