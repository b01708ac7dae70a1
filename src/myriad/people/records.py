"""What people, groups and grants are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class NewPerson:
    """Somebody to add; without a password one is generated. The account ends at `until`."""

    name: str
    groups: tuple[str, ...] = ()
    owner: bool = False
    password: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Person:
    """An account; an owner may create databases and keyspaces.

    Attributes:
        cassandra: whether their password is one for Cassandra too; one set by a version of Myriad
            that knew no Cassandra, or of more than 72 bytes, is not.
        disabled: cannot log in until enabled again.
        until: when the account ends; None: never. `expired`: it has.
        roster: how lists of `person sync` have them, None: not at all; see `roster`.
    """

    name: str
    owner: bool
    created: datetime
    cassandra: bool
    groups: tuple[str, ...]
    disabled: bool = False
    until: datetime | None = None
    expired: bool = False
    roster: str | None = None

    @property
    def may_log_in(self) -> bool:
        """Whether they can log in now."""
        return not (self.disabled or self.expired)


@dataclass(frozen=True)
class Grant:
    """A group's right to a dataset, or to a table of it: to read it, or to write in it too.

    Attributes:
        table: None: the whole dataset, and all that is published there later.
        columns: of the table, which alone may be read; none: all.
    """

    group: str
    database: str
    dataset: str
    write: bool
    table: str | None = None
    columns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The dataset, or DATASET.TABLE."""
        return self.dataset if self.table is None else f"{self.dataset}.{self.table}"

    def place(self) -> str:
        """Say where it holds."""
        return f"{self.name!r} in database {self.database!r}"

    def right(self) -> str:
        """Say what may be done there."""
        if self.write:
            return "write"
        return f"read {', '.join(self.columns)}" if self.columns else "read"

    def beside(self, other: "Grant") -> bool:
        """Say whether it is of the same group, in the same dataset."""
        mine = self.group, self.database, self.dataset
        return mine == (other.group, other.database, other.dataset)

    def shown(self) -> str:
        """Say all of it but the group, for a list."""
        return f"{self.name} in {self.database} ({self.right()})"


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
