"""`myriad list` and `myriad show`: what is published."""

from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from myriad.cli.common import Session, common, console
from myriad.model import reject_place

if TYPE_CHECKING:
    from myriad.errors import MyriadError


@click.command("list")
@common
def list_command(session: Session) -> None:
    """List the published tables of both engines."""
    unread: list[MyriadError] = []
    rows = session.open().published(unread.append)
    for problem in unread:
        session.warn(f"{problem.message}\nhint: {problem.hint}")
    if session.as_json:
        session.result(rows, "")
        return
    if not (rows or unread):
        session.say("Nothing is published yet: `myriad publish FILE`.")
        return
    heads = "engine", "database", "dataset", "table", "rows", "bytes", "published", "source"
    shown = Table(*heads, box=None)
    for row in rows:
        when = f"{row['finished']:%Y-%m-%d %H:%M}"
        numbers = f"{row['rows']:,}", f"{row['bytes']:,}"
        names = row["engine"], row["database"], row["dataset"], row["name"]
        cells = (*names, *numbers, when, row["source"])
        shown.add_row(*map(Text, cells))  # never markup: names and files are anybody's
    console().print(shown)


@click.command("show")
@click.argument("table")
@click.option("--database", help="Database, if it is not the default.")
@common
def show_command(session: Session, table: str, database: str | None) -> None:
    """Show a published TABLE (or DATASET.TABLE): its columns, why they are so, its rejects."""
    found = session.open().describe(table, database)
    session.result(found, _text(found))


def _text(found: dict[str, Any]) -> str:
    name = f"{found['dataset']}.{found['table']}"
    when = f"{found['finished']:%Y-%m-%d %H:%M}"
    where = "in Cassandra, " if found["engine"] == "cassandra" else ""
    lines = [f"{name}: {where}{found['rows']:,} rows, from {found['source']}, published {when}"]
    for column in found["columns"]:
        renamed = "" if column["name"] == column["original"] else f" (was {column['original']!r})"
        lines.append(f"  {column['name']}{renamed}  {column['type']}  {column['why']}")
    lines.append(f"  key: {found.get('key') or ', '.join(found['primary_key']) or 'none'}")
    if found.get("asks"):
        lines += ["  can be asked:", *(f"    {line}" for line in found["asks"])]
    lines += [f"  note: {note}" for note in found["notes"]]
    lines += [
        f"  reject: {reject_place(r['source'], r['line'])}: {r['reason']}: {r['raw'][:80]!r}"
        for r in found["first_rejects"]
    ]
    return "\n".join([*lines, *([_text(found["cassandra"])] if "cassandra" in found else [])])
