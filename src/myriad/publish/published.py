"""What is published, over all databases of a server."""

from contextlib import closing
from typing import Any

from myriad.engines.base import Server
from myriad.errors import PublishError
from myriad.publish import record
from myriad.settings import Settings


def everywhere(server: Server) -> list[dict[str, Any]]:
    """Return a row for each published table: database, dataset, name, rows, bytes, source."""
    with closing(server.connect(autocommit=True)) as control:
        names = control.execute(
            "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
            " WHERE datallowconn AND NOT datistemplate AND rolname = current_user ORDER BY 1"
        ).fetchall()
    found = []
    for (name,) in names:
        with closing(server.enter(name, autocommit=True)) as connection:
            found += [{"database": name, **row} for row in record.published(connection)]
    return found


def describe(
    server: Server, settings: Settings, table: str, database: str | None
) -> dict[str, Any]:
    """Return the last report of `table` (`name` or `dataset.name`); raises PublishError."""
    place = database or settings.database
    choices = [(settings.dataset, table)]
    if table.startswith(f"{place}."):  # as `publish` writes it
        table = table.removeprefix(f"{place}.")
    if "." in table:
        dataset, _, name = table.partition(".")
        choices.append((dataset, name))
    with closing(server.enter(place, autocommit=True)) as connection:
        for dataset, name in choices:
            found = record.details(connection, dataset, name)
            if found:
                return {"database": place, **found}
    raise PublishError(
        f"no table {table} is published in {place}", hint="`myriad list` shows what there is."
    )
