"""Grants: which group may read, or write, what; what they become: `postgres.rights`."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace

import psycopg

from myriad.errors import PeopleError
from myriad.people import actions, places, tables
from myriad.people.places import Texts
from myriad.people.postgres import rights
from myriad.people.records import Grant
from myriad.people.register import Register
from myriad.people.tables import SQL


def held(connection: psycopg.Connection) -> list[Grant]:
    """Return every grant by group, database, dataset and table."""
    return [
        Grant(group, database, dataset, write, table, tuple(columns))
        for group, database, dataset, write, table, columns in connection.execute(SQL["held"])
    ]


def listed(register: Register) -> list[Grant]:
    """Return every grant by group, database, dataset and table."""
    with register.read() as connection:
        return held(connection)


def grant(
    register: Register,
    groups: Texts,
    texts: Texts,
    database: str | None,
    *,
    write: bool,
    columns: Texts = (),
) -> list[Grant]:
    """Let groups read, or `write` in, datasets and tables; a new right replaces an old one."""
    place = database or register.settings.database
    if write and columns:
        raise PeopleError(
            "columns are granted to be read", hint="Leave --write out, or grant the whole table."
        )
    options = [*_options(texts, place, columns), *(["--write"] if write else [])]
    with _changed(register, "grant", groups, options) as (connection, named):
        targets = places.targets(register, connection, place, texts, columns)
        tables.refuse_workspaces(connection, place, [dataset for (dataset, _), _ in targets])
        given = [
            Grant(group, place, dataset, write, table, some)
            for group in named
            for (dataset, table), some in targets
        ]
        for each in given:
            _write_down(connection, each)
        outside = set(connection.execute(SQL["in_cassandra"], {"database": place}).fetchall())
        new = [each for each in given if (each.dataset, each.table) not in outside]
        with _settled(register, connection, place, _wanted(connection, given), new):
            for group in named:
                rights.let_in(connection, place, group)
    return given


def revoke(
    register: Register,
    groups: Texts,
    texts: Texts,
    database: str | None,
    *,
    columns: Texts = (),
) -> list[Grant]:
    """Take what was granted, and the database if it was the last there; return what is taken."""
    place = database or register.settings.database
    options = _options(texts, place, columns)
    with _changed(register, "revoke", groups, options) as (connection, named):
        before = held(connection)
        taken = [each for group in named for each in places.held(before, group, place, texts)]
        for each in taken:
            _take(connection, each, columns)
        if place not in rights.granted_in(connection):
            return taken
        left = {grant.group for grant in held(connection) if grant.database == place}
        with _settled(register, connection, place, _wanted(connection, taken)):
            for group in set(named) - left - tables.in_workspaces(connection, place):
                rights.keep_out(connection, place, group)
    return taken


def columns_in_cassandra(register: Register, given: Sequence[Grant]) -> list[str]:
    """Return which grants of columns are of tables that Cassandra has too: not there."""
    found: list[str] = []
    with register.read() as connection:
        for grant in given:
            values = {"database": grant.database}
            there = connection.execute(SQL["in_cassandra"], values).fetchall()
            if grant.columns and (grant.dataset, grant.table) in there:
                found.append(grant.name)
    return list(dict.fromkeys(found))


def apply(register: Register, database: str, dataset: str) -> None:
    """Make rights in a dataset what the grants say; call it when the dataset was made."""
    with tables.changing(register.server) as connection:
        known = {name for name, *_ in connection.execute(SQL["groups"])}
        wanted: dict[tuple[str, str], list[Grant]] = {
            (dataset, name): []
            for name in rights.holders(register.server, database, dataset)
            if name in known
        }
        for each in held(connection):
            if (each.database, each.dataset) == (database, dataset):
                wanted.setdefault((dataset, each.group), []).append(each)
        with _settled(register, connection, database, wanted):
            for group in [group for (_, group), some in wanted.items() if some]:
                rights.let_in(connection, database, group)


def finish(register: Register) -> None:
    """Make rights what the grants say where somebody was killed while they changed them."""
    with register.read() as connection:
        left = connection.execute(SQL["unsettled"]).fetchall()
        there = rights.granted_in(connection)
        for database, dataset in left:
            if database not in there:
                connection.execute(SQL["settled"], _values(database, [dataset]))
    for database, dataset in left:
        if database in there:
            with suppress(PeopleError):  # somebody holds its tables: it is for the next
                apply(register, database, dataset)


@contextmanager
def _changed(
    register: Register, command: str, texts: Texts, options: Sequence[str]
) -> Iterator[tuple[psycopg.Connection, list[str]]]:
    """Enter to change what is granted to the groups that are named; note it of each."""
    finish(register)
    with register.read() as connection:
        named = places.groups(connection, texts)
    with register.change(command, named[:1], options) as connection:
        tables.require(connection, "group", named)
        for group in named[1:]:
            actions.note(connection, command, [group], options)
        yield connection, named


def _options(texts: Texts, database: str, columns: Texts) -> list[str]:
    """Return how a command says these."""
    listed = [text if isinstance(text, str) else ",".join(text) for text in (texts, columns)]
    some = ["--columns", listed[1]] if listed[1] else []
    return [listed[0], *some, "--database", database]


@contextmanager
def _settled(
    register: Register,
    connection: psycopg.Connection,
    database: str,
    wanted: rights.Wanted,
    new: Sequence[Grant] = (),
) -> Iterator[None]:
    """Make rights what is `wanted` when the block ends and what was written is committed.

    They are in two databases: whoever is killed between both leaves word for `finish`.
    """
    values = _values(database, [dataset for dataset, _ in wanted])
    with closing(register.server.connect(autocommit=True)) as beside:
        beside.execute(SQL["begin_settling"], values)
        written = False
        try:
            with rights.settled(register.server, database, wanted, new):
                yield
                written = True
                connection.commit()
        except BaseException:
            if not written:
                beside.execute(SQL["settled"], values)
            raise
        beside.execute(SQL["settled"], values)


def _values(database: str, datasets: Sequence[str]) -> dict[str, object]:
    return {"database": database, "datasets": list(dict.fromkeys(datasets))}


def _write_down(connection: psycopg.Connection, grant: Grant) -> None:
    what = "give_dataset" if grant.table is None else "give_table"
    columns = list(grant.columns) or None
    connection.execute(SQL[what], asdict(grant) | {"columns": columns})


def _take(connection: psycopg.Connection, grant: Grant, columns: Texts) -> None:
    some = places.columns(columns, grant.columns)
    unknown = [name for name in some if name not in grant.columns]
    if unknown:
        raise PeopleError(
            f"group {grant.group!r} has no grant of column {', '.join(unknown)} of {grant.name}",
            hint=f"It may {grant.right()}; without --columns, all of that is taken.",
        )
    left = tuple(name for name in grant.columns if name not in some)
    if some and left:
        _write_down(connection, replace(grant, columns=left))
    else:
        what = "take_dataset" if grant.table is None else "take_table"
        connection.execute(SQL[what], asdict(grant))


def _wanted(connection: psycopg.Connection, changed: Sequence[Grant]) -> rights.Wanted:
    """Return all that groups may now in the datasets of what was changed."""
    now = held(connection)
    return {
        (each.dataset, each.group): [grant for grant in now if grant.beside(each)]
        for each in changed
    }
