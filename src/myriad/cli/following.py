"""What a change of people tells, where Cassandra does not have it yet."""

from collections.abc import Iterator
from contextlib import contextmanager

from myriad import Myriad
from myriad.cli.common import Session
from myriad.people import People


@contextmanager
def changing(session: Session, installation: Myriad | None = None) -> Iterator[People]:
    """Give people, groups and grants to change; then say if Cassandra has still to follow."""
    people = (installation or session.open()).people
    yield people
    if people.behind:
        session.warn(people.behind)
