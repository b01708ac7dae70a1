"""A publish to three nodes, killed at each point of its way, and each node likewise."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import myriad
from myriad.home.home import Home
from tests.cassandra_nodes import await_ready, read_alone, three_up
from tests.harness import Up, wait_until
from tests.keyspaces import Space

DAILY = (
    "tests/integration/test_publish_cassandra_left.py"
    "::test_a_killed_publish_is_remembered_and_told_as_if_it_had_ended[after the links]"
)
# In the order in which a publish passes them; the table is replaced in place …
POINTS = (
    "loading",
    "replacing",
    "after the hiding",
    "after the flush",
    "when it switches",
    "after the links",
    "after the swap",
    "after the proof",
    "when it is written down",
)
# … or made anew.
ANEW = ("when it switches", "before the swap", "after the old table's drop", "after the swap")
PUBLISH = None

pytestmark = [pytest.mark.nightly(daily=DAILY), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Up]:
    """Three nodes that are up."""
    with three_up() as started:
        yield started


@pytest.fixture
def home(cluster: Up) -> Home:
    """The home of three nodes, all well."""
    await_ready(cluster.home, 1, 2, 3)
    return cluster.home


def _alone(home: Home, space: Space) -> list[list[tuple[object, ...]]]:
    """Return the rows that each node has itself."""
    select = f"SELECT id, v FROM {space.dataset}.t"
    return [sorted(read_alone(home, number, select)) for number in (1, 2, 3)]


@pytest.mark.parametrize("killed", [PUBLISH, 1, 2, 3])
@pytest.mark.parametrize(
    ("at", "new"),
    [*((at, 1) for at in POINTS), *(pytest.param(at, "new", id=f"{at}, anew") for at in ANEW)],
)
def test_whoever_is_killed_at_whatever_point_every_node_has_all_old_or_all_new_rows(
    home: Home, tmp_path: Path, at: str, new: object, killed: int | None
) -> None:
    space = Space(myriad.open(home), f"point_{uuid.uuid4().hex[:8]}", tmp_path)
    path = space.write("t.csv", "id,v\n" + "".join(f"{id_},0\n" for id_ in range(300)))
    space.publish(path, "id")
    before = [(id_, 0) for id_ in range(300)]
    after = [(id_, new) for id_ in range(100, 300)]
    path.write_text("id,v\n" + "".join(f"{id_},{new}\n" for id_ in range(100, 300)))
    space.killed(path, at, rows=1, node=killed, contract="free")
    if killed is PUBLISH:
        wait_until(lambda: all(state != "switching" for state, _ in space.loads()), 120)
        assert _alone(home, space) in ([before] * 3, [after] * 3)
        space.publish(path, contract="free", wait=60.0)  # whoever keeps it may be at it
    await_ready(home, 1, 2, 3)
    assert _alone(home, space) == [after] * 3
    assert (space.loads(), space.staged()) == ([], set())
