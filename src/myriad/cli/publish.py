"""`myriad publish`: files become tables."""

import sys
from typing import Any

import click

from myriad.cli.common import EXIT_REJECTS, Session, common, start_if_needed
from myriad.cli.progress import progress
from myriad.publish import Options, Report, TableReport, parse_keys
from myriad.publish.options import ENGINES
from myriad.publish.report import size_text
from myriad.sources.base import ReadOptions
from myriad.sources.open import check


@click.command("publish")
@click.argument("sources", nargs=-1, required=True)
@click.option("--database", help="Database; made if it is not there.")
@click.option("--dataset", help="Dataset (schema); made if it is not there.")
@click.option("--table", help="Name of the one table; several files are put together in it.")
@click.option(
    "--to",
    type=click.Choice(ENGINES),
    default="postgres",
    show_default=True,
    help="Which engine gets the tables.",
)
@click.option(
    "--key",
    multiple=True,
    metavar="[TABLE=]COL,.../COL[:desc],...",
    help="Primary key; in Cassandra the partition's columns, a slash, and its rows' order.",
)
@click.option("--replace", is_flag=True, help="Replace even a table made by somebody else.")
@click.option("--append", is_flag=True, help="Add to the table that is there.")
@click.option("--dry-run", is_flag=True, help="Show the statements, load nothing.")
@click.option("--max-rejects", default=0, show_default=True, help="Records that may be left out.")
@click.option("--keep-names", is_flag=True, help="Leave names as they are in the source.")
@click.option("--delimiter", help="CSV: what separates fields; \\t is a tab.")
@click.option("--quote", help="CSV: what quotes fields.")
@click.option("--encoding", help="CSV: such as utf-16 or windows-1252.")
@click.option("--header/--no-header", default=None, help="CSV: whether the first record is names.")
@click.option("--null", "nulls", multiple=True, help="CSV: what stands for null, besides nothing.")
@common
def publish_command(session: Session, /, sources: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - click's options
    """Turn files into tables: CSV, TSV, JSON Lines, Parquet, SQLite; `-` is standard input."""
    tab = "\t" if given["delimiter"] == "\\t" else given["delimiter"]
    read = ReadOptions(
        _one(tab, "--delimiter"),
        _one(given["quote"], "--quote"),
        given["encoding"],
        given["header"],
        ("", *given["nulls"]),
    )
    names = ("database", "dataset", "table", "to", "replace", "append", "dry_run", "max_rejects")
    options = Options(
        keys=parse_keys(given["key"]),
        keep_names=given["keep_names"],
        read=read,
        **{name: given[name] for name in names},
    )
    installation = session.open()
    check(sources)  # before anything is started for a name that is mistyped
    if options.to != "postgres":
        installation.cluster()  # says what to do where there is none
    start_if_needed(session, installation)
    with progress(session) as tell:
        report = installation.publish(sources, options, tell)
    session.result(report.as_data(), _text(report, full=not session.quiet))
    if report.rejects:
        sys.exit(EXIT_REJECTS)


def _one(text: str | None, option: str) -> str | None:
    if text is not None and (len(text) != 1 or len(text.encode()) != 1 or text in "\r\n\0"):
        raise click.BadParameter("one ASCII character is needed", param_hint=option)
    return text


def _text(report: Report, *, full: bool) -> str:
    parts = [_table(report, table, full=full) for table in report.tables]
    total = f"{report.rows:,} rows in {len(report.tables)} tables, {report.seconds:.2f} s"
    if report.dry_run:
        total = f"Dry run: nothing was loaded ({len(report.tables)} tables)."
    if report.rejects:
        total += f"; {len(report.rejects)} rejects in {report.rejects_file}"
    return "\n".join([*parts, total])


def _table(report: Report, table: TableReport, *, full: bool) -> str:
    name = f"{report.database}.{report.dataset}.{table.table.name}"
    counted = "" if report.dry_run else f", {table.rows:,} rows"
    rejects = f", {table.rejects} rejects" if table.rejects else ""
    where = " in Cassandra" if table.engine == "cassandra" else ""
    lines = [f"{name}: {table.action}{where}{counted}{rejects} (from {table.source})"]
    if report.dry_run:
        lines += ["", table.ddl]
    if full:
        lines += _columns(table)
    lines += [f"  changed: {line}" for line in table.difference]
    if table.engine == "cassandra":
        lines += _key(table)
    elif table.table.primary_key:
        lines.append(f"  key: {', '.join(table.table.primary_key)}")
    elif table.key_candidates:
        lines.append(
            f"  no key; could serve (unique in a sample): {', '.join(table.key_candidates)}"
        )
    lines += [f"  note: {note}" for note in (*table.table.notes, *table.notes)]
    return "\n".join(lines)


def _key(table: TableReport) -> list[str]:
    parts = table.partitions
    largest = f"{parts['largest_rows']:,} rows and {size_text(parts['largest_bytes'])}"
    average = f"{parts['average_rows']:,.1f}".removesuffix(".0")
    return [
        f"  key: {table.key}",
        f"  partitions: {parts['count']:,} of {average} rows on average, the largest {largest}",
        f"  ask: {table.asks[0]} (more: myriad show {table.table.name})",
    ]


def _columns(table: TableReport) -> list[str]:
    columns = table.table.columns
    width = max(len(column.name) for column in columns)
    kinds = max(len(table.type_of(column)) for column in columns)
    return [f"  {c.name:<{width}}  {table.type_of(c):<{kinds}}  {c.why}".rstrip() for c in columns]
