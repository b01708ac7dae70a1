"""The table that takes a load's rows, made while they are read: that takes as long as to read them.

Which columns it gets is believed then. Where that proves wrong another one is made.
"""

import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from myriad.cql.names import qualified
from myriad.cql.session import Session
from myriad.cql.text import create_table
from myriad.cql.types import CqlType
from myriad.engines.cassandra.all_nodes import Attached
from myriad.engines.cassandra.base import Cluster
from myriad.errors import EngineError
from myriad.model import Key
from myriad.publish.cassandra import keyspaces
from myriad.publish.cassandra.look import kinds
from myriad.publish.cassandra.record import STAGING, Record

# No compaction takes the files away that the switch is about to link.
STAGED_OPTIONS = (
    "compaction = {'class': 'SizeTieredCompactionStrategy', 'enabled': 'false'}",
    "comment = 'Myriad loads it; it goes when that is done'",
)

log = logging.getLogger("myriad.publish")


def staged_names(columns: Mapping[str, CqlType], key: Key) -> dict[str, str]:
    """Return what columns are called while they are loaded: everybody sees those names.

    Others than the key's keep their order, in which the files have them.
    """
    rest = sorted((name for name in columns if name not in key.columns), key=str.encode)
    return {name: f"k{place}" for place, name in enumerate(key.columns)} | {
        name: f"c{place:05}" for place, name in enumerate(rest)
    }


def new_name() -> str:
    """Return what a table is called that takes the rows of one load."""
    return f"load_{secrets.token_hex(8)}"


@dataclass
class Ahead:
    """Makes at most one such table, in a thread, and has the nodes' managers attached meanwhile.

    Not for several threads. Until a load begins in it, it is noted as one that is left: whoever
    keeps Cassandra drops it when the publish has ended, however that was.
    """

    cluster: Cluster
    record: Record
    _name: str = field(default_factory=new_name)
    _statement: str = ""
    _made: Future[None] | None = None
    _attached: Attached | None = None

    def begin(self, columns: Mapping[str, CqlType], key: Key) -> None:
        """Begin to make the one for a table with these columns."""
        if self._made is not None:
            return
        self.attach()
        self._statement = statement(self._name, columns, key)
        self.record.leave_ahead(self._name)
        thread = ThreadPoolExecutor(1, "cassandra-ahead")
        self._made = thread.submit(self._make, self._statement)
        thread.shutdown(wait=False)

    def attach(self) -> None:
        """Begin to attach the managers: it takes as long as a small table."""
        self._attached = self._attached or Attached(self.cluster)

    def take(self, columns: Mapping[str, CqlType], key: Key) -> str | None:
        """Return what the table for these columns is called, for one load; None: none was made."""
        if self._statement != statement(self._name, columns, key):
            return None
        self._statement = ""
        try:
            if self._made is not None:
                self._made.result()  # each of its statements has a bound
        except EngineError as error:
            log.info("no table was made ahead: %s", error)
            return None
        return self._name

    def await_end(self) -> None:
        """Return when it changes the schema no more."""
        if self._made is not None:
            self._made.exception()

    def close(self) -> None:
        """End what was begun."""
        try:
            self.await_end()
        finally:
            if self._attached:
                self._attached.close()

    def _make(self, statement: str) -> None:
        with self.cluster.session() as session:
            keyspaces.make_staging(self.cluster, session)
            make(session, statement)


def statement(name: str, columns: Mapping[str, CqlType], key: Key) -> str:
    """Return what makes the table that takes the rows of one with these columns."""
    called = staged_names(columns, key)
    staged = {called[column]: kinds.staged(columns[column]) for column in sorted(columns)}
    return create_table(qualified(STAGING, name), staged, key.renamed(called), STAGED_OPTIONS)


def make(session: Session, statement: str) -> None:
    """Make it."""
    session.query(statement)
    session.await_schema()
