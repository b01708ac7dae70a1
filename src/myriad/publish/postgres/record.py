"""The record of what was published: runs, tables and rejects, beside the data itself."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.migrations.migrations import RECORD
from myriad.publish import recipe_record
from myriad.publish.postgres import describing, versions
from myriad.publish.report import Report

_SQL = named_sql.load("myriad.publish.postgres", "record.sql")
NOT_THERE = (
    "it is not there any more: somebody dropped or renamed it by hand; `myriad undo` brings back a"
    " version that is kept"
)


def prepare(connection: psycopg.Connection) -> None:
    """Make the record where it is missing, and bring it up to date.

    Not in the transaction of a publish: another one would wait for the end of its load.
    """
    RECORD.bring_up_to_date(connection)


def there(connection: psycopg.Connection) -> bool:
    """Say whether this database has a record; an older one is brought up to date."""
    number = RECORD.number(connection)
    if number is not None and number < len(RECORD.steps):
        RECORD.bring_up_to_date(connection)
    return number is not None


def made(connection: psycopg.Connection, dataset: str, name: str) -> list[str] | None:
    """Return the indexes and constraints that Myriad made with a table it published.

    None if it did not publish a table of that name. The record is there.
    """
    found: list[str] | None = _one(connection, "made", [dataset, name])
    return found


def last(connection: psycopg.Connection, dataset: str, name: str) -> tuple[int, dict[str, Any]]:
    """Return rows and report of a table's last publish; the table is in the record."""
    rows, report = connection.execute(_SQL["last"], [dataset, name]).fetchall()[0]
    return rows, report


def came(connection: psycopg.Connection, dataset: str) -> dict[str, dict[str, str]]:
    """Return as what each table of a dataset was published; see `Target.came`."""
    return dict(connection.execute(_SQL["came"], [dataset]).fetchall())


def marked(connection: psycopg.Connection, dataset: str, named: list[str]) -> list[dict[str, Any]]:
    """Return name, report and `finished` of each table that was made of any of these sources."""
    if not there(connection):
        return []
    return _SQL.query(connection, "marked", dataset=dataset, named=named)


def save(
    connection: psycopg.Connection, report: Report, states: Mapping[str, versions.State]
) -> None:
    """Write down a publish that is about to be committed, in the same transaction."""
    recipes = {table.table.name: table.recipe for table in report.tables}
    recipe_record.note(connection, report.dataset, recipes)
    for table in report.tables:
        name = table.table.name
        adds = table.action in ("appended", "merged")
        grown = table.grown
        known: dict[str, object] = {"added": grown.contents} if grown.contents else {}
        made = {"made": table.made} if grown.changed else {}
        whole = table.as_data() | known
        statement = "add_to_table" if adds else "publish_table"
        connection.execute(
            _SQL[statement],
            {
                "dataset": report.dataset,
                "name": name,
                "run": report.run,
                "rows": grown.rows if adds else table.rows,
                "source": table.source,
                "marks": Jsonb(dict(table.came.marks)),
                "report": Jsonb(grown.changed | made | known if adds else whole),
            },
        )
        table.turn, table.version = versions.note(connection, report.dataset, name, states[name])
        describing.take(connection, report.dataset, name, table.recipe.said_of)
        describing.freshen(connection, report.dataset, name)
    _save_rejects(connection, report)


def _save_rejects(connection: psycopg.Connection, report: Report) -> None:
    columns = "(run, source, table_name, line, raw, reason)"
    with connection.cursor().copy(f"COPY myriad.reject {columns} FROM STDIN") as copy:
        for reject in (*report.not_data, *report.rejects):
            values = (reject.source, reject.table, reject.line, reject.raw, reject.reason)
            copy.write_row(
                (
                    report.run,
                    *(v.replace("\0", "\\x00") if isinstance(v, str) else v for v in values),
                )
            )


def published(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Return what is published in this database: dataset, name, rows, bytes, finished, source.

    Bytes are None where somebody locks the table entirely.
    """
    if not there(connection):
        return []
    try:
        cursor = connection.execute(_SQL["list"], {"sizes": True})
    except psycopg.errors.LockNotAvailable:  # locked between the look and the question
        cursor = connection.execute(_SQL["list"], {"sizes": False})
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def details(connection: psycopg.Connection, dataset: str, name: str) -> dict[str, Any] | None:
    """Return the last report of one table and its first rejects, None if it is not published."""
    if not there(connection):
        return None
    row = connection.execute(_SQL["show"], [dataset, name]).fetchone()
    if row is None:
        return None
    report, finished, is_there, rejects = row
    return {
        **report,
        "dataset": dataset,
        "finished": finished,
        "notes": [*report["notes"], *([] if is_there else [NOT_THERE])],
        "first_rejects": rejects or [],
        **_described(connection, dataset, name, report["columns"]),
    }


def _described(
    connection: psycopg.Connection, dataset: str, name: str, columns: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what people said of a table, and its columns with what they said of each."""
    said = describing.said(connection, dataset, name)
    texts = [{**column, "description": said.get(column["name"])} for column in columns]
    return {"description": said.get(""), "columns": texts}


def _one(connection: psycopg.Connection, statement: str, values: list[str] | None = None) -> Any:  # noqa: ANN401 - one value of any type
    row = connection.execute(_SQL[statement], values).fetchone()
    return row[0] if row else None
