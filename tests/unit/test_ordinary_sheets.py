"""The same sheets come of every format of workbooks."""

from pathlib import Path

import pytest

from tests.apart import stay_here, table
from tests.hard_case import shown
from tests.ordinary_sheets import KINDS, SHEETS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", SHEETS)
def test_a_sheet_is_the_same_table_in_every_format(
    what: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    rows, columns, values = SHEETS[what]
    KINDS[kind](path := tmp_path / f"t.{kind}", rows)
    sheet = f"S{list(SHEETS).index(what)}" if kind == "xls" else None
    kinds, found = table(path, tmp_path / "work", sheet=sheet)
    assert "; ".join(f"{name} {kind}" for name, kind in kinds.items()) == columns
    assert shown(found) == shown(values)
