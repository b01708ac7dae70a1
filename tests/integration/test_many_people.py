"""A whole organisation at once."""

import os
import time
import uuid

import psycopg
import pytest

from myriad import Myriad
from myriad.connect import Target
from myriad.people.passwords import verifiers_of_generated


def share_of_the_machine() -> float:
    """Return how much of the cores we get beside whatever else runs: 1 on an idle machine."""
    clock, worked = time.monotonic(), time.process_time()
    verifiers_of_generated(["x"] * 1000)
    used = (time.process_time() - worked) / (os.cpu_count() or 1)
    return min(1.0, used / (time.monotonic() - clock))


@pytest.mark.parametrize("groups", [1, 20])
def test_ten_thousand_people_are_added_in_under_twenty_seconds(
    installation: Myriad, database: str, groups: int
) -> None:
    people, server, tag = installation.people, installation.server(), uuid.uuid4().hex[:8]
    names = [f"crowd {number} {tag}" for number in range(10_000)]
    chosen = [f"crowd{number}{tag}" for number in range(groups)]
    before, start = share_of_the_machine(), time.monotonic()
    added = people.add_people(names, chosen)
    seconds = time.monotonic() - start
    share = (before + share_of_the_machine()) / 2
    people.grant(chosen[-1], "public", database)
    (name, password) = added[-1]
    target = Target(server.host, server.port, database, name, password)
    psycopg.connect(target.uri(with_password=True)).close()
    members = {group.name: group.members for group in people.list_groups()}
    assert [members[name] for name in chosen] == [10_000] * groups
    assert len({password for _, password in added}) == 10_000
    people.remove(names)
    assert seconds * share < 20
