"""`myriad who`."""

from dataclasses import asdict

import click

from myriad.cli.columns import print_columns
from myriad.cli.common import Session, common
from myriad.people.who import Access, Who


@click.command("who")
@click.argument("table", metavar="[DATASET.]TABLE")
@click.option("--database", metavar="D", help="Database of the table (default: `main`).")
@common
def who_command(session: Session, *, table: str, database: str | None) -> None:
    """Show who may see a TABLE, and by what: a grant, or what was given in the engine by hand."""
    found = session.open().people.who(table, database)
    if session.as_json:
        session.result(asdict(found), "")
        return
    name = f"{found.dataset}.{found.table} in {found.database}"
    if found.access:
        _show(found)
    else:
        session.say(f"Nobody but who runs Myriad may see {name}.")
    for view in found.views:
        session.say(f"{view} shows some of it, as its owner may see it: `myriad who {view}`.")
    if found.unknown:
        session.warn(found.unknown)


def _show(found: Who) -> None:
    engines = len({each.engine for each in found.access}) > 1
    heads = ("who", "may", "by", *(["engine"] if engines else []))
    rows = [
        (_name(each), each.right(), each.by, *([each.engine] if engines else []))
        for each in found.access
    ]
    print_columns(heads, rows)


def _name(access: Access) -> str:
    if not access.who:
        return "(everybody)"
    return access.who if access.person else f"{access.who} (a role that Myriad did not make)"
