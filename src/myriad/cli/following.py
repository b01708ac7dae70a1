"""What a change of people tells, where Cassandra does not have it yet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from myriad import Myriad
from myriad.cli.common import Session
from myriad.people import Grant, People

SHOWN = 10  # names


@contextmanager
def changing(session: Session, installation: Myriad | None = None) -> Iterator[People]:
    """Give people, groups and grants to change; then say if Cassandra has still to follow."""
    people = (installation or session.open()).people
    yield people
    if people.behind:
        session.warn(people.behind)


def warn_of_hidden(session: Session, given: Sequence[Grant]) -> None:
    """Name the tables whose short names mean another one now to somebody who may read both."""
    groups, datasets = ({each.group for each in given}, {each.dataset for each in given})
    database = given[0].database if given else None
    by_datasets: dict[tuple[str, str], list[str]] = {}
    for each in session.open().people.hidden([*groups], [*datasets], database):
        by_datasets.setdefault((each.found, each.hidden), []).append(each.table)
    for (found, behind), tables in islice(by_datasets.items(), SHOWN):
        more = f" and {len(tables) - SHOWN} more" if len(tables) > SHOWN else ""
        session.warn(
            f"both in {found} and in {behind}: {', '.join(tables[:SHOWN])}{more}. The name alone"
            f" means the one in {found}; the other is called {behind}.{tables[0]}."
        )
