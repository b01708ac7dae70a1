"""`myriad group`, `grant`, `revoke`."""

from dataclasses import asdict

import click

from myriad.cli.columns import print_columns
from myriad.cli.common import Session, common
from myriad.cli.following import changing
from myriad.cli.limits import given, limit_options, say_where, show_limits, told
from myriad.people.limits import POOLS


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
    groups = session.open().people.list_groups()
    if session.as_json:
        session.result([asdict(group) for group in groups], "")
        return
    rows = [
        (
            group.name,
            str(group.members),
            "; ".join(
                f"{grant.dataset} in {grant.database} ({'write' if grant.write else 'read'})"
                for grant in group.grants
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
@click.argument("group")
@click.argument("dataset")
@click.option("--write", is_flag=True, help="They may also change what is in it.")
@click.option("--database", metavar="D", help="Database of the dataset (default: `main`).")
@common
def grant_command(
    session: Session, *, group: str, dataset: str, write: bool, database: str | None
) -> None:
    """Let the people of GROUP read DATASET, and all that is published there later."""
    installation = session.open()
    with changing(session, installation) as people:
        people.grant(group, dataset, database, write=write)
    place = database or installation.settings.database
    right = "write" if write else "read"
    session.done(
        {"group": group, "dataset": dataset, "database": place, "right": right},
        f"{group} may {right} {dataset} in {place}",
    )


@click.command("revoke")
@click.argument("group")
@click.argument("dataset")
@click.option("--database", metavar="D", help="Database of the dataset (default: `main`).")
@common
def revoke_command(session: Session, *, group: str, dataset: str, database: str | None) -> None:
    """Take from GROUP what `grant` gave."""
    installation = session.open()
    with changing(session, installation) as people:
        people.revoke(group, dataset, database)
    place = database or installation.settings.database
    session.done(
        {"group": group, "dataset": dataset, "database": place},
        f"{group} has no right to {dataset} in {place} any more",
    )
