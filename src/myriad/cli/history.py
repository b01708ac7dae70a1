"""`myriad history` and `myriad undo`: what was published when, and back to it."""

from typing import Any

import click

from myriad.cli.columns import cell, grid
from myriad.cli.common import Session, common, confirm, console, in_engine, of_engine
from myriad.cli.progress import progress
from myriad.errors import WouldBeLost
from myriad.publish.report import size_text
from myriad.wording import changed, number_of

SHOWN_LINES = 4  # of why a run came to nothing
MOST_TABLES = 3  # named in a line


@click.command("history")
@click.argument("table", required=False)
@click.option("--database", help="Database, if it is not the default.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Runs that are shown, the newest.",
)
@common
def history_command(session: Session, table: str | None, database: str | None, limit: int) -> None:
    """Show what changed TABLE (or DATASET.TABLE), or all tables: when, by whom, what came of it.

    Runs that a contract refused, or that failed, are shown too. The versions are those that `undo`
    can show; a version keeps its number.
    """
    runs = session.open().history(table, database, limit)
    if session.as_json:
        session.result([_plain(run) for run in runs], "")
        return
    if not runs:
        session.say("Nothing was published yet: `myriad publish FILE`.")
        return
    heads = "when", "who", "what", "engine", "tables", "rows", "size", "seconds", "outcome", "from"
    shown = grid(*heads)
    for run in runs:
        shown.add_row(*map(cell, _cells(run)))
        for line in _lines(run):
            shown.add_row("", "", "", "", cell(line))
    console().print(shown)


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in run.items()
    }


def _cells(run: dict[str, Any]) -> list[str]:
    numbers = run["versions"] or {}
    names = [
        f"{name} (version {numbers[name]})" if name in numbers else name for name in run["tables"]
    ]
    more = f" and {len(names) - MOST_TABLES} more" if len(names) > MOST_TABLES else ""
    return [
        f"{run['started']:%Y-%m-%d %H:%M:%S}",
        run["person"] or run["account"] or "",
        run["kind"],
        run["engine"],
        f"{run['dataset']}: {', '.join(names[:MOST_TABLES])}{more}",
        "" if run["rows"] is None else f"{run['rows']:,}",
        "" if run["bytes"] is None else size_text(int(run["bytes"])),
        "" if run["seconds"] is None else f"{run['seconds']:.1f}",
        run["outcome"],
        ", ".join(run["sources"]),
    ]


def _lines(run: dict[str, Any]) -> list[str]:
    """Return what changed, and why nothing did."""
    lines = [
        f"{table['table']}: {changed(line)}"
        for table in run["report"].get("tables", ())
        for line in table.get("difference", ())
    ]
    return lines + (run["error"].splitlines()[:SHOWN_LINES] if run["error"] else [])


@click.command("undo")
@click.argument("table", required=False)
@click.option("--to", type=int, help="Number of the version, as `myriad history` shows it.")
@click.option("--run", help="Take back all tables of this run, by the `run` of `history --json`.")
@click.option("--database", help="Database, if it is not the default.")
@in_engine
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def undo_command(  # noqa: PLR0913 - its options
    session: Session,
    *,
    table: str | None,
    to: int | None,
    run: str | None,
    database: str | None,
    engine: str | None,
    yes: bool,
) -> None:
    """Show an older version of TABLE (or DATASET.TABLE) again: the one before, or --to another.

    What is shown now becomes a version itself, so that an undo can be undone; where it cannot be
    kept, `undo` asks. Tables of one run with foreign keys between them go back together.
    """
    installation = session.open()
    if (table is None) == (run is None) or (run and (to is not None or engine)):
        raise click.UsageError("Give a TABLE, with --to and --engine or without, or a --run.")

    def undo(*, for_good: bool) -> dict[str, Any]:
        with progress(session) as tell:
            if run is not None:
                return installation.undo_run(run, database, for_good=for_good, progress=tell)
            place = str(table), to, database, engine
            return installation.undo(*place, for_good=for_good, progress=tell)

    try:
        report = undo(for_good=yes)
    except WouldBeLost as error:
        confirm(f"{error.message[0].upper()}{error.message[1:]}. Go back nevertheless?")
        report = undo(for_good=True)
    place = f"{report['database']}.{report['dataset']}"
    lines = [_back(report, one) for one in report["tables"]]
    lines += [f"{place}.{name}: gone, as before the run" for name in report["gone"]]
    session.done(report, "\n".join(lines))


def _back(report: dict[str, Any], one: dict[str, Any]) -> str:
    name = f"{report['database']}.{report['dataset']}.{one['table']}{of_engine(one)}"
    when = one["published"][:16].replace("T", " ")
    said = (
        f"back to version {one['back_to']}, {number_of(one['rows'], 'row')} of {when} from"
        f" {one['source']}"
    )
    lines = [f"{name}: {said}"]
    if one["before"] is not None:
        lines.append(f"  what was shown is version {one['before']}: `myriad undo` brings it back")
    return "\n".join([*lines, *(f"  note: {note}" for note in one["notes"])])


@click.command("diff")
@click.argument("table")
@click.argument("first", type=int, required=False)
@click.argument("second", type=int, required=False)
@click.option("--database", help="Database, if it is not the default.")
@common
def diff_command(
    session: Session, table: str, first: int | None, second: int | None, database: str | None
) -> None:
    """Show how what is published differs from version FIRST of TABLE, or SECOND from FIRST.

    Without numbers: from the version before. Rows are compared by the key, else as wholes.
    """
    found = session.open().diff(table, first, second, database)
    session.result(found, _difference(found))


def _difference(found: dict[str, Any]) -> str:
    name = f"{found['database']}.{found['dataset']}.{found['table']}"
    changed = f", {found['changed']:,} changed" if "changed" in found else ""
    how = f"by key ({', '.join(found['key'])})" if found["key"] else "whole rows: there is no key"
    counts = f"{number_of(found['added'], 'row')} added, {found['removed']:,} removed{changed}"
    lines = [
        f"{name}: version {found['from']} → {found['to']}: {counts}, {how}",
        *(f"  {line}" for line in found["columns"]),
        *(f"  {column}: {n:,} changed" for column, n in found.get("changed_columns", {}).items()),
    ]
    examples = found["examples"]
    for kind, sign in (("added", "+"), ("removed", "-")):
        lines += [f"  {sign} {_values(row)}" for row in examples.get(kind, ())]
    for row in examples.get("changed", ()):
        changes = (
            f"{column} {_value(old)} → {_value(new)}"
            for column, (old, new) in row["values"].items()
        )
        lines.append(f"  ~ {_values(row['key'])}: {', '.join(changes)}")
    return "\n".join(lines)


def _values(row: dict[str, Any]) -> str:
    return ", ".join(f"{column} {_value(value)}" for column, value in row.items())


def _value(value: Any) -> str:  # noqa: ANN401 - of any type that JSON has
    """Return a value as people write it: nothing is `null`."""
    return "null" if value is None else repr(value)
