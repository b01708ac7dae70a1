"""`myriad list`, `show`, `unpublish`, `rename` and `describe`: what is published."""

import sys
from typing import TYPE_CHECKING, Any

import click

from myriad.cli.columns import cell, grid
from myriad.cli.common import Session, common, confirm, console, in_engine, of_engine
from myriad.cli.progress import progress
from myriad.cli.workspaces import drop_workspace, say_workspaces
from myriad.model import reject_place
from myriad.wording import number_of

if TYPE_CHECKING:
    from rich.table import Table

    from myriad.errors import MyriadError


@click.command("list")
@common
def list_command(session: Session) -> None:
    """List the published tables of both engines."""
    unread: list[MyriadError] = []
    installation = session.open()
    rows = installation.published(unread.append)
    for problem in unread:
        session.warn(f"{problem.message}\nhint: {problem.hint}")
    if session.as_json:
        session.result(rows, "")
    elif rows:
        console().print(_listed(rows))
    elif not unread:
        session.say("Nothing is published yet: `myriad publish FILE`.")
    if not session.as_json:
        say_workspaces(session, installation)
    if unread:
        sys.exit(unread[0].exit_code)


def _listed(rows: list[dict[str, Any]]) -> "Table":
    heads = "engine", "database", "dataset", "table", "rows", "bytes", "published", "source"
    shown = grid(*heads)
    for row in rows:
        when = f"{row['finished']:%Y-%m-%d %H:%M}"
        size = "" if row["bytes"] is None else f"{row['bytes']:,}"  # somebody locks it
        numbers = f"{row['rows']:,}", size
        names = row["engine"], row["database"], row["dataset"], row["name"]
        cells = (*names, *numbers, when, row["source"])
        shown.add_row(*map(cell, cells))
    return shown


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
    rows = number_of(found["rows"], "row")
    lines = [f"{name}: {where}{rows}, from {found['source']}, published {when}"]
    lines += _said(found, "  ")
    for column in found["columns"]:
        renamed = "" if column["name"] == column["original"] else f" (was {column['original']!r})"
        lines.append(f"  {column['name']}{renamed}  {column['type']}  {column['why']}")
        lines += _said(column, "    ")
    lines.append(f"  key: {found.get('key') or ', '.join(found['primary_key']) or 'none'}")
    lines += [
        f"  granted: {each['group']} may {each['right']}" for each in found.get("granted", ())
    ]
    if found.get("asks"):
        lines += ["  can be asked:", *(f"    {line}" for line in found["asks"])]
    lines += [f"  note: {note}" for note in found["notes"]]
    lines += [
        f"  reject: {reject_place(r['source'], r['line'])}: {r['reason']}: {r['raw'][:80]!r}"
        for r in found["first_rejects"]
        if not _is_told(r, found["notes"])
    ]
    return "\n".join([*lines, *([_text(found["cassandra"])] if "cassandra" in found else [])])


def _is_told(reject: dict[str, Any], notes: list[str]) -> bool:
    """Say whether a note tells of what is no data already: a title, a total."""
    begins = tuple(f"{what} {reject['line']} is no data" for what in ("line", "row"))
    told = any(note.startswith(begins) for note in notes)
    return told and reject["reason"].startswith("no data: ")


def _said(thing: dict[str, Any], margin: str) -> list[str]:
    """Return what somebody said of a thing, each line behind a margin: none looks like ours."""
    return [f"{margin}{line}" for line in (thing.get("description") or "").split("\n") if line]


@click.command("unpublish")
@click.argument("tables", nargs=-1)
@click.option("--dataset", help="Instead of tables: all that are published in this dataset.")
@click.option("--database", help="Database, if it is not the default.")
@click.option("--purge", is_flag=True, help="Keep no version: nothing can be had back.")
@in_engine
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def unpublish_command(  # noqa: PLR0913 - its options
    session: Session,
    *,
    tables: tuple[str, ...],
    dataset: str | None,
    database: str | None,
    purge: bool,
    engine: str | None,
    yes: bool,
) -> None:
    """Take published TABLES away; views and foreign keys of others on them are named first.

    What was shown last can be had by `myriad undo` for the days that the setting
    `unpublished_days` says.
    """
    if bool(tables) == bool(dataset):
        raise click.UsageError("Give tables, or a --dataset.")
    installation = session.open()
    if dataset and drop_workspace(session, installation, dataset, database, yes=yes):
        return
    changes = installation.changes(database)
    place, inside, outside = changes.meant(tables, dataset, engine, purge=purge)
    names = dict.fromkeys([*inside, *outside])
    listed = ", ".join(f"{place}.{name}" for name in names)
    where = ", also in Cassandra" if inside and outside else ""
    if not yes:
        last = " for good" if purge or not installation.settings.unpublished_days else ""
        confirm(f"Take {listed} away{last}{where}?")
    options: dict[str, Any] = {"database": database, "purge": purge, "engine": engine}
    with progress(session) as tell:
        report = installation.unpublish(*names, dataset=place, progress=tell, **options)
    lines = []
    for table in report["tables"]:
        name = f"{report['database']}.{place}.{table['table']}{of_engine(table)}"
        kept = table["version"] is not None
        back = f"`myriad undo {place}.{table['table']}` brings version {table['version']} back"
        lines.append(f"{name}: taken away; {back if kept else 'nothing of it is kept'}")
    lines += [
        f"{table}: was taken away before"
        for table in tables
        if not any(table == name or table.endswith(f".{name}") for name in names)
    ]
    session.done(report, "\n".join(lines))


@click.command("rename")
@click.argument("table")
@click.argument("new")
@click.option("--database", help="Database, if it is not the default.")
@common
def rename_command(session: Session, *, table: str, new: str, database: str | None) -> None:
    """Give a published TABLE (or DATASET.TABLE) the name NEW; versions, rights and views stay."""
    with progress(session) as tell:
        report = session.open().rename(table, new, database, tell)
    session.done(report, f"{report['database']}.{report['dataset']}.{new}: was {table}")


@click.command("describe")
@click.argument("target", metavar="TABLE[.COLUMN]")
@click.argument("text")
@click.option("--database", help="Database, if it is not the default.")
@common
def describe_command(session: Session, *, target: str, text: str, database: str | None) -> None:
    """Say what a table, or a column of it, is: in its comment, where every client shows it.

    It stays when the table is published again. An empty TEXT takes it away.
    """
    found = session.open().say(target, text, database)
    column = f".{found['column']}" if found["column"] else ""
    shown = text.replace("\n", "\n  ") or "nothing is said of it"
    said = f"{found['dataset']}.{found['table']}{column}: {shown}"
    session.done(found, said)
