"""Numbers of more digits than machines have are exact in Cassandra, too."""

from decimal import Decimal

import pytest

from tests.keyspaces import Space
from tests.long_numbers import FILES, NUMBERS


def _types(space: Space) -> dict[str, str]:
    rows = space.ask(
        "SELECT column_name, type FROM system_schema.columns"
        " WHERE keyspace_name = ? AND table_name = 't'",
        [space.dataset],
    )
    return dict(rows)


@pytest.mark.nightly(by_day=["t.csv", "t.parquet"])
@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.parquet"])
def test_long_numbers_are_exact_in_cassandra(space: Space, name: str) -> None:
    FILES[name](path := space.folder / name)
    space.publish(path, "id", table="t")
    assert _types(space)["n"] == "decimal"
    assert sorted(space.ask(f"SELECT id, n FROM {space.dataset}.t")) == list(enumerate(NUMBERS))


def test_long_numbers_can_be_a_key_in_cassandra(space: Space) -> None:
    numbers = [10**60, -(10**45), 7]
    path = space.write("t.csv", "n,m\n" + "".join(f"{n},{n}.5\n" for n in numbers))
    space.publish(path, "n/m", table="t")
    assert _types(space) == {"n": "varint", "m": "decimal"}
    wanted = sorted((n, Decimal(f"{n}.5")) for n in numbers)
    assert sorted(space.ask(f"SELECT n, m FROM {space.dataset}.t")) == wanted
    path = space.write("t.csv", f"n,m\n{10**60},1.5\n8,{10**50}.25\n")
    space.publish(path, table="t", append=True)
    assert sorted(space.ask(f"SELECT n, m FROM {space.dataset}.t")) == sorted(
        [*wanted, (10**60, Decimal("1.5")), (8, Decimal(f"{10**50}.25"))]
    )
