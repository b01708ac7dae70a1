"""The first line in which a column has a value is named, as an editor counts lines."""

from pathlib import Path

import pytest

from myriad.sources.base import Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions

FILES = {
    "in another column before": ("a,b\nx,1\nx1,x\ny,2\n", 3),
    "behind a quoted field": ('a,b\n"1,x",1\n2,"x"\n', 3),
    "behind blank lines": ("\n\na,b\n1,1\n\n2,x\n", 6),
    "with other newlines": ("a,b\r\n1,1\r\n2,x\r\n", 3),
    "in the header too": ("a,x\n1,1\n2,x\n", 3),
    "with a mark before the header": ("\ufeffa,b\n1,1\n2,x", 3),
}


@pytest.mark.parametrize(("text", "line"), FILES.values(), ids=FILES)
def test_a_reason_names_the_first_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    (source,) = open_sources([path], lambda _: ReadOptions(header=True), Workspace(tmp_path, 150))
    why = source.table.columns[1].why
    source.close()
    assert f"the first 'x' in line {line}" in why


def test_the_reason_for_text_stays_when_more_values_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,flag,key\n1,true,550e8400-e29b-41d4-a716-446655440000\n2,maybe,x\n")
    (source,) = open_sources([path], lambda _: ReadOptions(), Workspace(tmp_path, 150))
    for _ in range(2):  # every value is looked at, and once more
        source.prove()
        _, flag, key = (column.why for column in source.table.columns)
        assert flag.startswith("of the first values 1 of 2 are true or false, 1 is not"), flag
        assert "the first 'maybe' in line 3" in flag
        assert key.startswith("of the first values 1 of 2 are UUIDs, 1 is not"), key
    source.close()
