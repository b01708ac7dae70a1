"""`myriad person show`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from myriad import Myriad
from myriad.cli.activity import NAME, STATEMENT
from myriad.cli.columns import echo, plain, print_columns
from myriad.cli.common import Session, common
from myriad.cli.limits import data_of, show_limits
from myriad.cli.rosters import login_of
from myriad.people import Detail, Grant

Tables = Mapping[tuple[str, str], Sequence[str]]  # (database, dataset) → what is published there
MOST = 5  # tables of one grant that are shown
BY = {None: "by hand", "gone": "by a list that names them no more"}


@click.command("show")
@click.argument("name")
@common
def show_command(session: Session, name: str) -> None:
    """Show somebody: groups, limits, what they may see and own, and what they do now."""
    installation = session.open()
    found = installation.people.detail(name)
    tables = _tables(session, installation, found.grants)
    if session.as_json:
        session.result(_data(found, tables), "")
        return
    print_columns(("person", name), _facts(found, cassandra=installation.people.reach_cassandra))
    _show_grants(found.grants, tables)
    _show_limits(session, found)
    _show_sessions(session, found)


def _tables(session: Session, installation: Myriad, grants: Sequence[Grant]) -> Tables:
    """Return the tables in datasets that are granted, in either engine."""
    if not any(grant.table is None for grant in grants):
        return {}
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in installation.published(lambda error: session.warn(error.message)):
        found.setdefault((row["database"], row["dataset"]), {})[row["name"]] = None
    return {place: list(names) for place, names in found.items()}


def _data(found: Detail, tables: Tables) -> dict[str, Any]:
    grants = [asdict(each) | {"tables": _seen(each, tables)} for each in found.grants]
    sessions = None if found.sessions is None else [asdict(each) for each in found.sessions]
    return {
        **asdict(found.person),
        **data_of(found.person.name, found.limits, None),
        "grants": grants,
        "owns": list(found.owns),
        "by_name": list(found.by_name),
        "sessions": sessions,
    }


def _seen(grant: Grant, tables: Tables) -> list[str]:
    if grant.table is not None:
        return [grant.table]
    return list(tables.get((grant.database, grant.dataset), ()))


def _facts(found: Detail, *, cassandra: bool) -> list[tuple[str, str]]:
    person = found.person
    added = f"{person.created:%Y-%m-%d %H:%M}, {BY.get(person.roster, 'by a list')}"
    rows = [
        ("login", login_of(person) or "yes"),
        ("groups", ", ".join(person.groups) or "none"),
        ("owner", "yes" if person.owner else "no"),
        ("added", added),
    ]
    if cassandra:
        rows += [("Cassandra", "the same password" if person.cassandra else "no password there")]
    rows += [("owns", "; ".join(found.owns))] if found.owns else []
    named = f"something in {', '.join(found.by_name)}"
    return rows + ([("by name", named)] if found.by_name else [])


def _show_grants(grants: Sequence[Grant], tables: Tables) -> None:
    if not grants:
        return
    echo("")
    rows = [
        (each.database, each.name, each.right(), each.group, _shown(_seen(each, tables)))
        for each in grants
    ]
    print_columns(("database", "may see", "right", "through", "tables"), rows)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
    return f"{', '.join(names[:MOST])}{more}"


def _show_limits(session: Session, found: Detail) -> None:
    echo("")
    show_limits(session, {found.person.name: found.limits})


def _show_sessions(session: Session, found: Detail) -> None:
    if found.sessions is None:
        session.say("The door is not up: nobody is connected through it.")
    elif found.sessions:
        echo("")
        rows = [
            (
                plain(each.database, NAME),
                each.state,
                f"{each.seconds:.1f}",
                each.address,
                each.way,
                plain(each.statement, STATEMENT),
            )
            for each in found.sessions
        ]
        print_columns(("database", "state", "seconds", "from", "way", "statement"), rows)
