"""What people, groups and grants are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class NewPerson:
    """Somebody to add; without a password one is generated."""

    name: str
    groups: tuple[str, ...] = ()
    owner: bool = False
    password: str | None = None


@dataclass(frozen=True)
class Person:
    """An account; an owner may create databases and keyspaces.

    Attributes:
        cassandra: whether their password is one for Cassandra too; one set by a version of Myriad
            that knew no Cassandra, or of more than 72 bytes, is not.
    """

    name: str
    owner: bool
    created: datetime
    cassandra: bool
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Grant:
    """A group's right to a dataset: to read it, or to write in it too."""

    group: str
    database: str
    dataset: str
    write: bool

    def place(self) -> str:
        """Say where it holds."""
        return f"{self.dataset!r} in database {self.database!r}"


@dataclass(frozen=True)
class Group:
    """A set of people: how many they are, and what they may reach.

    Attributes:
        pool: how long a session of theirs keeps a server connection: `transaction` or `session`.
    """

    name: str
    members: int
    grants: tuple[Grant, ...]
    pool: str = "transaction"


def members(people: Sequence[NewPerson]) -> dict[str, list[str]]:
    """Return who is to be in which group."""
    found: dict[str, list[str]] = {}
    for person in people:
        for group in dict.fromkeys(person.groups):
            found.setdefault(group, []).append(person.name)
    return found
