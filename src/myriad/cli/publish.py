"""`myriad publish`: files become tables."""

import logging
import os
import sys
from typing import Any

import click

from myriad.cli import published
from myriad.cli.columns import echo
from myriad.cli.common import EXIT_REJECTS, EXIT_SOME, Session, common, start_if_needed
from myriad.cli.progress import progress
from myriad.publish.contract import Change, Level
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options
from myriad.publish.recipes import ENGINES
from myriad.publish.report import Report
from myriad.sources.options import MARKS, NESTED, ORDERS, ReadOptions

AS_SET = -1.0  # of --wait: as the settings say


class _Publish(click.Command):
    """Knows that what follows `--wait` is a file, unless it is a number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give `--wait` its default where it has no number."""
        end = args.index("--") if "--" in args else len(args)
        for place, argument in enumerate(args[:end]):
            following = args[place + 1] if place + 1 < end else ""
            if argument == "--wait" and not following.replace(".", "", 1).isdigit():
                args[place] = f"--wait={AS_SET}"
        return super().parse_args(ctx, args)


@click.command("publish", cls=_Publish)
@click.argument("sources", nargs=-1, required=True)
@click.option("--database", help="Database; made if it is not there.")
@click.option("--dataset", help="Dataset (schema); made if it is not there.")
@click.option("--table", help="Name of the one table; several files are put together in it.")
@click.option(
    "--to",
    type=click.Choice(ENGINES),
    help="Which engine gets the tables: as before, or postgres, unless told.",
)
@click.option(
    "--key",
    multiple=True,
    metavar="[TABLE=]COL,.../COL[:desc],...",
    help="Primary key; in Cassandra the partition's columns, a slash, and its rows' order.",
)
@click.option("--replace", is_flag=True, help="Replace even a table made by somebody else.")
@click.option("--append", is_flag=True, help="Add to the table that is there.")
@click.option(
    "--merge", is_flag=True, help="Insert into the table that is there, or update, by its key."
)
@click.option(
    "--delete-missing", is_flag=True, help="With --merge: delete rows that the files lack."
)
@click.option("--again", is_flag=True, help="With --append: also what was added before.")
@click.option(
    "--keep-going", is_flag=True, help="Publish the other files where one cannot be: exit code 5."
)
@click.option(
    "--wait",
    type=float,
    metavar="[SECONDS]",
    help="Wait for a publish of the same table; so long as `publish_wait` says unless told.",
)
@click.option(
    "--if-changed/--no-if-changed",
    default=None,
    help="Leave tables as they are while their files, or what is at an address, do not change.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="An address may lead on to one of this machine or network.",
)
@click.option("--dry-run", is_flag=True, help="Show the statements, load nothing.")
@click.option("--check", is_flag=True, help="Read and prove everything, change nothing.")
@click.option(
    "--contract",
    type=click.Choice([str(level) for level in Level]),
    help="What publishing again may change: nothing of columns and types; nothing for the worse"
    " (the default); anything.",
)
@click.option(
    "--allow",
    metavar="CHANGE,...",
    help=f"Changes that are permitted this once: {', '.join(Change)}.",
)
@click.option("--type", "types", multiple=True, metavar="COL=TYPE", help="A column's type.")
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="A column's name.")
@click.option("--columns", metavar="COL,...", help="Only these columns, in this order.")
@click.option("--exclude", metavar="COL,...", help="All columns but these.")
@click.option("--max-rejects", type=int, help="Records that may be left out; 0 unless told.")
@click.option(
    "--keep-names/--no-keep-names", default=None, help="Leave names as they are in the source."
)
@click.option("--skip", type=click.IntRange(0), help="CSV: lines before the header.")
@click.option("--delimiter", help="CSV: what separates fields; \\t is a tab.")
@click.option("--quote", help="CSV: what quotes fields.")
@click.option("--encoding", help="CSV: such as utf-16 or windows-1252.")
@click.option("--header/--no-header", default=None, help="CSV: whether the first record is names.")
@click.option("--null", "nulls", multiple=True, help="CSV: what stands for null, besides nothing.")
@click.option(
    "--no-null", is_flag=True, help="CSV: words such as NA are no null, also among numbers."
)
@click.option("--decimal", type=click.Choice(MARKS), help="CSV: the mark of decimals, in doubt.")
@click.option(
    "--dates",
    type=click.Choice(ORDERS),
    help="CSV: the order of day, month and year, in doubt; years may have two digits.",
)
@click.option(
    "--sheet", help="Workbooks: the one sheet to read; all that have a table unless told."
)
@click.option(
    "--records",
    metavar="PATH",
    help="JSON, XML: what leads to the records, such as data.items; a dot is the document itself.",
)
@click.option(
    "--nested",
    type=click.Choice(NESTED),
    help="JSON, XML: nested values become jsonb, columns, or tables of their own.",
)
@common
def publish_command(session: Session, /, sources: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - click's options
    """Turn files into tables: CSV, JSON, workbooks, Parquet, SQLite …; `-` is standard input.

    What is said of a table is remembered: see `myriad recipe`.
    """
    installation = session.open()
    if given["wait"] == AS_SET:
        given["wait"] = installation.settings.publish_wait
    options = _options(given)
    if not options.keep_going:
        from myriad.sources.open import check  # noqa: PLC0415 - takes long, and `--help` need not

        check(sources)  # before anything is started for a name that is mistyped
    if options.to in ("cassandra", "both"):
        installation.cluster()  # says what to do where there is none
    start_if_needed(session, installation)
    # Of a connection that is left for Ctrl-C its library says nothing to a person.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    with progress(session) as tell:
        report = installation.publish(sources, options, tell)
    _tell(session, report)
    if report.failed:
        sys.exit(EXIT_SOME)
    if report.rejects:
        sys.exit(EXIT_REJECTS)


def _options(given: dict[str, Any]) -> Options:
    tab = "\t" if given["delimiter"] == "\\t" else given["delimiter"]
    read = ReadOptions(
        *(tab, given["quote"], given["encoding"], given["header"], given["nulls"]),
        *(given["skip"] or 0, given["decimal"], given["dates"], not given["no_null"]),
        *(given[name] for name in ("sheet", "records", "nested", "allow_private")),
    )
    plain = ("database", "dataset", "table", "to", "replace", "append", "dry_run", "check")
    more = ("max_rejects", "keep_names", "contract")
    adding = ("merge", "delete_missing", "again", "keep_going", "if_changed")
    return Options(
        keys=parse_keys(given["key"]),
        read=read,
        types=_pairs(given["types"], "--type"),
        renames=_pairs(given["renames"], "--rename"),
        columns=_list(given["columns"]),
        exclude=_list(given["exclude"]),
        allow=frozenset(_change(name) for name in _list(given["allow"])),
        wait=given["wait"] or 0.0,
        **{name: given[name] for name in (*plain, *more, *adding)},
    )


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    found = {}
    for text in texts:
        one, equals, other = text.rpartition("=")
        if not (one and equals and other):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        found[one.strip()] = other.strip()
    return found


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _change(name: str) -> Change:
    try:
        return Change(name)
    except ValueError:
        known = ", ".join(Change)
        raise click.BadParameter(f"{name!r} is not one of {known}", param_hint="--allow") from None


def _tell(session: Session, report: Report) -> None:
    """Print the report; where that fails the tables are there nevertheless, and so says the end."""
    try:
        asked = report.dry_run or report.checked
        (session.result if asked else session.done)(report.as_data(), published.text(report))
        if session.quiet and not session.as_json:
            for each in report.failed:
                echo(published.failure(each), err=True)
        sys.stdout.flush()
    except OSError as error:
        session.say(f"published; but the report could not be written: {error.strerror}")
        # Python flushes once more at its end, and would fail with that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
