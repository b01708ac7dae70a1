"""What people write for groups, datasets and tables: one, or several with commas between them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg

from myriad.errors import PeopleError
from myriad.people import tables
from myriad.people.cassandra.state import keyspaces
from myriad.people.names import shown
from myriad.people.postgres import rights, table_rights
from myriad.people.records import Grant
from myriad.people.register import Register
from myriad.people.tables import SQL

Texts = str | Sequence[str]
Target = tuple[str, str | None]  # dataset, table; None: all of it


def parts(texts: Texts, known: Callable[[str], bool]) -> list[str]:
    """Return what is named, each once: a text that is a name is one, whatever commas are in it."""
    found: list[str] = []
    for text in [texts] if isinstance(texts, str) else texts:
        found += [text] if known(text) else [part.strip() for part in text.split(",")]
    return list(dict.fromkeys(found))


def groups(connection: psycopg.Connection, texts: Texts) -> list[str]:
    """Return the groups that are named; raises PeopleError for those that are not there."""
    known = {name for name, *_ in connection.execute(SQL["groups"])}
    found = parts(texts, known.__contains__)
    tables.require(connection, "group", found)
    return found


def columns(texts: Texts, known: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that are named."""
    return tuple(parts(texts, set(known).__contains__))


@dataclass
class Places:
    """The datasets and tables of one database, in either engine.

    Attributes:
        outside: (dataset, table) that Cassandra has.
    """

    connection: psycopg.Connection
    database: str
    known: list[str]
    outside: set[tuple[str, str]]
    _there: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def targets(self, texts: Texts) -> list[Target]:
        """Return the datasets and tables that are named; raises PeopleError for what is not."""
        found = parts(texts, lambda text: len(self._meant(text)) > 0)
        return list(dict.fromkeys(self._one(text) for text in found))

    def table(self, text: str, dataset: str) -> tuple[str, str]:
        """Return dataset and name of one table, of that dataset or as DATASET.TABLE."""
        for each in (f"{dataset}.{text}", text):
            if self._meant(each):
                place, name = self._one(each)
                if name is not None:
                    return place, name
        if text in self.known:
            raise PeopleError(f"{text!r} is a dataset, no table", hint=f"Write {text}.TABLE.")
        raise self._unknown(text if "." in text else f"{dataset}.{text}")

    def columns(self, target: Target) -> list[str]:
        """Return the columns of a table in PostgreSQL; none if it is not there."""
        dataset, table = target
        return self._inside(dataset).get(table or "", [])

    def in_postgres(self, target: Target) -> bool:
        """Say whether PostgreSQL has that table."""
        return target[1] in self._inside(target[0])

    def _one(self, text: str) -> Target:
        meant = self._meant(text)
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise PeopleError(
                f"{text!r} may be several tables of database {self.database!r}",
                hint="Rename one of them: their datasets' names have a point, too.",
            )
        raise self._unknown(text)

    def _meant(self, text: str) -> list[Target]:
        if text in self.known:
            return [(text, None)]
        texts = dict.fromkeys((text, text.removeprefix(f"{self.database}.")))
        return [split for each in texts for split in _splits(each) if self._is_table(split)]

    def _is_table(self, split: tuple[str, str]) -> bool:
        inside = split[0] in self.known and split[1] in self._inside(split[0])
        return inside or split in self.outside

    def _inside(self, dataset: str) -> dict[str, list[str]]:
        if dataset not in self._there:
            self._there[dataset] = table_rights.relations(self.connection, dataset)
        return self._there[dataset]

    def _unknown(self, text: str) -> PeopleError:
        for dataset, table in _splits(text):
            if dataset in self.known:
                names = [name for place, name in self.outside if place == dataset]
                return PeopleError(
                    f"there is no table {table!r} in dataset {dataset!r} of database"
                    f" {self.database!r}",
                    hint=f"There are: {shown(sorted({*self._inside(dataset), *names})) or 'none'}.",
                )
        return PeopleError(
            f"there is no dataset {text!r} in database {self.database!r}",
            hint=f"There are: {shown(self.known)}. `myriad publish SOURCE --dataset NAME` makes"
            " one.",
        )


def _splits(text: str) -> list[tuple[str, str]]:
    places = [place for place, mark in enumerate(text) if mark == "."]
    return [(text[:place], text[place + 1 :]) for place in places]


@contextmanager
def opened(register: Register, control: psycopg.Connection, database: str) -> Iterator[Places]:
    """Look at the places of a database; raises PeopleError if people can have no rights there."""
    rights.check_database(control, database)
    made = {dataset for place, dataset in keyspaces(control) if place == database}
    made.add(register.settings.dataset)  # it may be granted before there is anything
    outside = set(control.execute(SQL["in_cassandra"], {"database": database}).fetchall())
    with closing(register.server.connect(database)) as connection:
        known = sorted({*rights.datasets(connection), *made})
        yield Places(connection, database, known, outside)


def targets(
    register: Register, control: psycopg.Connection, database: str, texts: Texts, some: Texts
) -> list[tuple[Target, tuple[str, ...]]]:
    """Return the datasets and tables that are named, each with those of `some` columns.

    Raises PeopleError for what is not there, and for columns of what has none.
    """
    with opened(register, control, database) as places:
        return [
            (target, _columns(places, target, some) if some else ())
            for target in places.targets(texts)
        ]


def _columns(places: Places, target: Target, some: Texts) -> tuple[str, ...]:
    dataset, table = target
    if table is None:
        raise PeopleError(
            f"{dataset!r} is a dataset: columns are granted of one table",
            hint=f"Write {dataset}.TABLE.",
        )
    if not places.in_postgres(target):
        raise PeopleError(
            f"table {dataset}.{table} is in Cassandra, which grants no columns",
            hint="Grant the table without --columns, or publish what they may see as another one.",
        )
    return columns(some, places.columns(target))


def held(grants: Iterable[Grant], group: str, database: str, texts: Texts) -> list[Grant]:
    """Return those of a group's grants that are named; raises PeopleError for what it has not."""
    mine = [grant for grant in grants if grant.group == group]
    here = {grant.name: grant for grant in reversed(mine) if grant.database == database}
    here = {f"{database}.{name}": grant for name, grant in here.items()} | here
    found = []
    for text in parts(texts, here.__contains__):
        if text not in here:
            raise PeopleError(
                f"group {group!r} has no grant of {text!r} in database {database!r}",
                hint=f"It has: {', '.join(grant.place() for grant in mine) or 'none'}.",
            )
        found.append(here[text])
    return found
