"""`myriad group`, `grant`, `revoke`."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from myriad.cli.columns import print_columns
from myriad.cli.common import Session, common
from myriad.cli.following import changing, warn_of_hidden
from myriad.cli.limits import given, limit_options, say_where, show_limits, told
from myriad.cli.workspaces import create_workspace, in_words, of_group, workspace_options
from myriad.people import Grant
from myriad.people.limits import POOLS

some_columns = click.option(
    "--columns",
    multiple=True,
    metavar="C[,…]",
    help="Only these columns of the table, to be read. May be repeated.",
)


@click.group("group")
def group_command() -> None:
    """Groups: people get their rights through them."""


@group_command.command("add")
@click.argument("names", nargs=-1, required=True)
@common
def group_add(session: Session, *, names: tuple[str, ...]) -> None:
    """Add groups."""
    with changing(session) as people:
        people.add_groups(names)
    session.done({"added": list(names)}, "\n".join(f"added {name}" for name in names))


@group_command.command("list")
@common
def group_list(session: Session) -> None:
    """Show every group, how many are in it, and what it may reach."""
    people = session.open().people
    groups, workspaces = people.list_groups(), people.list_workspaces()
    if session.as_json:
        theirs = {group.name: of_group(workspaces, group.name) for group in groups}
        told = [asdict(group) | {"workspaces": theirs[group.name]} for group in groups]
        session.result(told, "")
        return
    rows = [
        (
            group.name,
            str(group.members),
            "; ".join(
                [
                    *(grant.shown() for grant in group.grants),
                    *(in_words(each) for each in workspaces if group.name in each.groups),
                ]
            ),
        )
        for group in groups
    ]
    print_columns(("group", "people", "grants"), rows)


@group_command.command("remove")
@click.argument("name")
@common
def group_remove(session: Session, *, name: str) -> None:
    """Remove a group and its grants; its people stay."""
    with changing(session) as people:
        people.remove_group(name)
    session.done({"removed": [name]}, f"removed {name}")


@group_command.command("join")
@click.argument("group")
@click.argument("names", nargs=-1, required=True)
@common
def group_join(session: Session, *, group: str, names: tuple[str, ...]) -> None:
    """Put people into a group."""
    with changing(session) as people:
        people.join(group, names)
    session.done({"group": group, "joined": list(names)}, f"{', '.join(names)} joined {group}")


@group_command.command("leave")
@click.argument("group")
@click.argument("names", nargs=-1, required=True)
@common
def group_leave(session: Session, *, group: str, names: tuple[str, ...]) -> None:
    """Take people out of a group."""
    with changing(session) as people:
        people.leave(group, names)
    session.done({"group": group, "left": list(names)}, f"{', '.join(names)} left {group}")


@group_command.command("limit")
@click.argument("group")
@limit_options
@click.option(
    "--pool",
    type=click.Choice(POOLS),
    help="How long a session keeps a connection to PostgreSQL: a transaction, or to its end.",
)
@common
def group_limit(
    session: Session, *, group: str, pool: str | None, reset: bool, **limits: float | None
) -> None:
    """Limit what each of a group's people may use; without options, show what holds and why.

    Of several groups that set a limit, the most generous counts.
    """
    people = session.open().people
    wanted = given(limits)
    if not wanted and not reset and pool is None:
        pools = {each.name: each.pool for each in people.list_groups()}
        show_limits(session, {group: people.group_limits(group)}, pool=pools.get(group))
        say_where(session, people)
        return
    people.set_group_limits(group, wanted, reset=reset, pool=pool)
    session.done(
        {"names": [group], "limits": wanted, "reset": reset, "pool": pool},
        f"{group}: {told(wanted, reset=reset, pool=pool)}",
    )


@click.command("grant")
@click.argument("groups", metavar="GROUP[,…]")
@click.argument("places", metavar="DATASET[.TABLE][,…]")
@click.option("--write", is_flag=True, help="They may also change what is in it.")
@some_columns
@workspace_options
@click.option("--database", metavar="D", help="Database of the dataset (default: `main`).")
@common
def grant_command(  # noqa: PLR0913 - its options
    session: Session,
    *,
    groups: str,
    places: str,
    write: bool,
    columns: tuple[str, ...],
    create: bool,
    megabytes: float | None,
    database: str | None,
) -> None:
    """Let the people of GROUP read DATASET, and all that is published there later, or one TABLE.

    Several groups, datasets and tables stand with commas between them: all are granted, or none.
    """
    if create or megabytes is not None:
        create_workspace(session, groups, places, database, megabytes, also=write or bool(columns))
        return
    with changing(session) as people:
        given = people.grant(groups, places, database, write=write, columns=columns)
    if columns and (both := people.columns_in_cassandra(given)):
        session.warn(f"in PostgreSQL alone, not in Cassandra: columns of {', '.join(both)}")
    session.done({"granted": [asdict(grant) for grant in given]}, "\n".join(_given(given)))
    warn_of_hidden(session, given)


@click.command("revoke")
@click.argument("groups", metavar="GROUP[,…]")
@click.argument("places", metavar="DATASET[.TABLE][,…]")
@some_columns
@click.option("--database", metavar="D", help="Database of the dataset (default: `main`).")
@common
def revoke_command(
    session: Session,
    *,
    groups: str,
    places: str,
    columns: tuple[str, ...],
    database: str | None,
) -> None:
    """Take from GROUP what `grant` gave: what stands there by another grant stays."""
    with changing(session) as people:
        taken = people.revoke(groups, places, database, columns=columns)
    left = people.list_grants()
    lines = []
    for grant in taken:
        still = [each.shown() for each in left if each.beside(grant)]
        rest = f"; it still has {', '.join(still)}" if still else ""
        lines.append(f"{grant.group} has {grant.shown()} no more{rest}")
    if not taken:
        lines = [f"{groups} may make nothing in {places} any more; what is there stays"]
    session.done({"revoked": [asdict(grant) for grant in taken]}, "\n".join(lines))


def _given(grants: Sequence[Grant]) -> list[str]:
    """Return a line for each group and right."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for grant in grants:
        columns = f"{', '.join(grant.columns)} of " if grant.columns else ""
        right = "write" if grant.write else "read"
        lines.setdefault((grant.group, right, columns, grant.database), []).append(grant.name)
    return [
        f"{group} may {right} {columns}{', '.join(names)} in {place}"
        for (group, right, columns, place), names in lines.items()
    ]
