"""`myriad grant --create`, and what is shown of workspaces elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from myriad.cli.common import Session, confirm
from myriad.cli.following import changing
from myriad.wording import number_of

if TYPE_CHECKING:
    from myriad import Myriad
    from myriad.people import Workspace

MEGABYTE = 1_000_000
Function = TypeVar("Function", bound=Callable[..., Any])


def workspace_options(function: Function) -> Function:
    """Add the options of a workspace to `grant`."""
    size = click.option(
        "--megabytes",
        type=float,
        metavar="N",
        help="MB that a workspace may hold (default: 1000); again, to change it.",
    )
    create = click.option(
        "--create",
        is_flag=True,
        help="Make DATASET a workspace: they make tables of their own there.",
    )
    return create(size(function))


def create_workspace(
    session: Session,
    groups: str,
    dataset: str,
    database: str | None,
    megabytes: float | None,
    *,
    also: bool,
) -> None:
    """Let groups make things in a dataset, and say so."""
    if also:
        raise click.UsageError("--create goes alone: people read and write what is theirs.")
    with changing(session) as people:
        made = people.create_workspace(groups, dataset, database, megabytes=megabytes)
    session.done(
        as_data(made),
        f"{groups} may make tables in {made.dataset} in {made.database}: {made.megabytes:,g} MB",
    )


def as_data(workspace: "Workspace") -> dict[str, Any]:
    """Return what is told of a workspace to machines."""
    return {name: value for name, value in asdict(workspace).items() if name != "role"}


def of_group(workspaces: "Sequence[Workspace]", group: str) -> list[dict[str, Any]]:
    """Return the workspaces of a group, for machines."""
    return [as_data(each) for each in workspaces if group in each.groups]


def in_words(workspace: "Workspace") -> str:
    """Say where it is and how full."""
    held = f"{workspace.bytes / MEGABYTE:,.0f} of {workspace.megabytes:,g} MB"
    return f"{workspace.dataset} in {workspace.database} (create, {held})"


def say_workspaces(session: Session, installation: "Myriad") -> None:
    """List what is no published table: where people make their own."""
    for each in installation.people.list_workspaces():
        whose = ", ".join(each.groups) or "nobody"
        session.result({}, f"workspace {in_words(each)} of {whose}")


def drop_workspace(
    session: Session, installation: "Myriad", dataset: str, database: str | None, *, yes: bool
) -> bool:
    """Drop a workspace if a dataset is one, after asking; say whether it is."""
    people, place = installation.people, database or installation.settings.database
    found = [it for it in people.list_workspaces() if (it.database, it.dataset) == (place, dataset)]
    if not found:
        return False
    of = number_of(len(found[0].groups), "group")
    if not yes:
        confirm(f"Drop workspace {dataset} of {of}, with all that people made in it, for good?")
    people.drop_workspace(dataset, database)
    session.done(as_data(found[0]), f"{place}.{dataset}: dropped, for good")
    return True
