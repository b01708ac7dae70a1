"""Where recipes stand: in the control database. What changes tables says there what it changes.

That is another database than the tables'. So a change of a recipe is noted beside the tables first,
in the transaction that changes these, and taken over by whoever looks at recipes next: nothing is
lost with a process that is killed in between.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from operator import itemgetter

import psycopg
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import EngineError, MyriadError, UsageError
from myriad.migrations.migrations import CONTROL, RECORD
from myriad.publish import naming
from myriad.publish.recipes import MOST_BYTES, Recipe, from_data

query = named_sql.load("myriad.publish", "recipe_record.sql").query
# Somebody else may take over, or note, the same at this moment.
BRIEFLY = "SET LOCAL lock_timeout = '5s'"

log = logging.getLogger("myriad.publish")


def of_dataset(server: Server, database: str, dataset: str) -> dict[str, Recipe]:
    """Return the recipes of all tables of a dataset, by table."""
    with closing(server.connect(autocommit=True)) as control:
        _take_over(control, server, database)
        return _taken_over(control, database, dataset)


def settled(server: Server, database: str, dataset: str) -> dict[str, Recipe]:
    """Return them, also where what is noted cannot be taken over now; see `settle`."""
    with closing(server.connect(autocommit=True)) as control:
        with _later(database):
            _take_over(control, server, database)
        return _taken_over(control, database, dataset)


def _taken_over(control: psycopg.Connection, database: str, dataset: str) -> dict[str, Recipe]:
    CONTROL.require(control)
    rows = query(control, "of_dataset", database=database, dataset=dataset)
    return {row["name"]: from_data(row["recipe"]) for row in rows}


def one(control: psycopg.Connection, place: tuple[str, str], name: str) -> Recipe:
    """Return a table's recipe as the control database has it."""
    rows = query(control, "one", database=place[0], dataset=place[1], name=name)
    return from_data(rows[0]["recipe"]) if rows else Recipe()


def save(server: Server, place: tuple[str, str], recipes: Mapping[str, Recipe]) -> None:
    """Write the recipes of tables of `place` (database, dataset); an empty one is forgotten."""
    for recipe in recipes.values():
        check_size(recipe)
    with closing(server.connect()) as control:
        for name, recipe in sorted(recipes.items(), key=itemgetter(0)):
            write(control, place, name, recipe.as_data())
        control.commit()


def note(connection: psycopg.Connection, dataset: str, recipes: Mapping[str, Recipe]) -> None:
    """Note the recipes of tables of a dataset in the transaction that changes these tables.

    An empty one is forgotten. `take_over` is to follow when that is committed.
    """
    for name, recipe in sorted(recipes.items(), key=itemgetter(0)):
        check_size(recipe)
        data = Jsonb(recipe.as_data())
        query(connection, "note", dataset=dataset, name=name, recipe=data)


def take_over(server: Server, database: str) -> None:
    """Take over what is noted in a database; where nothing is, or nothing was published, nothing.

    May be repeated: what is noted goes only when the control database has it. Raises EngineError if
    somebody else keeps us waiting, TooNew, NotOurs.
    """
    with closing(server.connect(autocommit=True)) as control:
        _take_over(control, server, database)


def _take_over(control: psycopg.Connection, server: Server, database: str) -> None:
    if database in naming.FORBIDDEN_DATABASES:
        return
    connection = databases.enter_beside(control, server, database)
    if connection is None:
        return
    with closing(connection):
        if RECORD.number(connection) is None or not query(connection, "is_noting")[0]["yes"]:
            return
        _take_from(connection, control)


def _take_from(connection: psycopg.Connection, control: psycopg.Connection) -> None:
    """Take over what is noted in the database of `connection`."""
    database = connection.info.dbname
    try:
        with connection.transaction():
            _take(control, connection, database)
    except psycopg.errors.LockNotAvailable as error:
        raise EngineError(
            f"somebody else is changing the recipes of {database} at this moment",
            hint="Try again; `myriad people activity` shows who does not end a transaction.",
        ) from error


def _take(control: psycopg.Connection, connection: psycopg.Connection, database: str) -> None:
    """Take over what is noted, in a transaction; all take and note it in the same order."""
    connection.execute(BRIEFLY)
    rows = query(connection, "take")
    if not rows:
        return
    with control.transaction():
        control.execute(BRIEFLY)
        for row in rows:
            write(control, (database, row["dataset"]), row["name"], row["recipe"])
    for row in rows:
        query(connection, "taken", dataset=row["dataset"], name=row["name"])


def settle(server: Server, database: str) -> None:
    """Take over what is noted, after the commit; what cannot be now is taken over later."""
    with _later(database):
        take_over(server, database)


def settle_from(connection: psycopg.Connection, control: psycopg.Connection) -> None:
    """Take over what was just noted over a connection, which is in no transaction; see `settle`.

    So that database need not be entered, and looked at, once more.
    """
    with _later(connection.info.dbname):
        _take_from(connection, control)


@contextmanager
def _later(database: str) -> Iterator[None]:
    """Leave what cannot be taken over now to whoever looks at recipes next."""
    try:
        yield
    except (MyriadError, psycopg.Error) as error:
        log.warning("recipes of %s are not taken over yet: %s", database, error)


def write(
    control: psycopg.Connection,
    place: tuple[str, str],
    name: str,
    recipe: Mapping[str, object],
    began: str | None = None,
) -> None:
    """Write a table's recipe in a transaction of the control database; none is forgotten.

    `began`: of a run that was killed, and is finished by somebody else; what was said since stays.
    """
    values = {"database": place[0], "dataset": place[1], "name": name}
    if recipe and began is not None:
        query(control, "finish", recipe=Jsonb(dict(recipe)), began=began, **values)
    elif recipe:
        query(control, "save", recipe=Jsonb(dict(recipe)), **values)
    elif began is None:
        query(control, "forget", **values)


def check_size(recipe: Recipe) -> None:
    """Raise UsageError if a recipe is too large to be kept."""
    if len(json.dumps(recipe.as_data())) > MOST_BYTES:
        raise UsageError("a recipe cannot have more than 1 MB", hint="Say less of it.")
