"""What tests of grants share: what is published, and who asks for it."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from myriad import Myriad
from myriad.people import People

DENIED = psycopg.errors.InsufficientPrivilege
STAFF = "id,name,team,salary\n1,Ann,red,31337\n2,Bob,blue,41414\n"
Ask = Callable[[str], list[tuple[Any, ...]]]


def grants_of(people: People, group: str) -> list[str]:
    """Return what a group was granted, as `group list` shows it."""
    return [grant.shown() for grant in people.list_grants() if grant.group == group]


def asking(installation: Myriad, database: str, name: str, password: str) -> Ask:
    """Return what asks as somebody, through the door, on a new connection each time."""
    server = installation.server()
    where = f"host={server.host} port={server.port} dbname={database}"

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with closing(
            psycopg.connect(where, user=name, password=password, autocommit=True)
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return ask
