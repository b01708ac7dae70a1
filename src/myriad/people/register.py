"""The register of people: entered to read it or to change it; Cassandra follows what is changed."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import psycopg

from myriad.control.connection import control_database
from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.people import actions, tables
from myriad.people.cassandra import sync
from myriad.settings import Settings
from myriad.verifiers import check


@dataclass
class Register:
    """What stands of people in one installation.

    Attributes:
        cluster: where they log in too, None if nowhere.
        behind: why Cassandra does not have all of the last change yet; empty if it has, or if
            there is none. It follows when it is back.
    """

    server: Server
    settings: Settings
    cluster: Cluster | None = None
    behind: str = ""

    @property
    def reaches_cassandra(self) -> bool:
        """Whether there is a Cassandra where people log in with the same passwords."""
        return self.cluster is not None and self.cluster.login == "required"

    def read(self) -> AbstractContextManager[psycopg.Connection]:
        """Enter to read; raises as `control_database`."""
        return control_database(self.server)

    @contextmanager
    def change(
        self, command: str, names: Sequence[str], options: Sequence[str] = ()
    ) -> Iterator[psycopg.Connection]:
        """Enter as `change_here`; Cassandra follows when it is committed."""
        with self.change_here(command, names, options) as connection:
            yield connection
        self.follow()

    @contextmanager
    def change_here(
        self, command: str, names: Sequence[str], options: Sequence[str] = ()
    ) -> Iterator[psycopg.Connection]:
        """Enter to change what stands of `names`, and note that; see `actions.note`.

        Nobody else changes anything meanwhile.
        """
        with tables.changing(self.server) as connection:
            actions.note(connection, command, names, options)
            yield connection

    def note(self, command: str, names: Sequence[str], options: Sequence[str] = ()) -> None:
        """Note what was done to people that changed nothing of what stands here."""
        with self.read() as connection:
            actions.note(connection, command, names, options)

    def follow(self) -> None:
        """Make Cassandra equal to what stands here; `behind` says if it is not."""
        self.behind = sync.follow(self.server, self.cluster) if self.cluster else ""

    def check_password(self, typed: str | None) -> None:
        """Raise PeopleError for a password, if there is one, that will not do."""
        if typed is not None:
            check(typed, cassandra=self.reaches_cassandra)

    def refuse_taken(self, names: Sequence[str]) -> None:
        """Raise PeopleError if Cassandra has such roles that are not Myriad's."""
        if self.cluster:
            sync.refuse_taken(self.server, self.cluster, names)

    def owned(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return what `names` own in Cassandra: who, and what."""
        return sync.owned(self.cluster, names) if self.cluster else []

    def refuse_owners(self, names: Sequence[str]) -> None:
        """Raise PeopleError if one of `names` owns something in Cassandra."""
        if self.cluster:
            sync.refuse_owners(self.cluster, names)
