"""What `show` and `diff` print of tables and rows."""

from datetime import UTC, datetime

from myriad.cli.history import _difference
from myriad.cli.tables import _text

SHOWN = {
    "dataset": "public",
    "table": "t",
    "engine": "postgres",
    "rows": 1,
    "source": "t.csv",
    "finished": datetime(2026, 1, 2, tzinfo=UTC),
    "columns": [],
    "primary_key": [],
}


def rejected(line: int, reason: str) -> dict[str, object]:
    return {"source": "t.csv", "line": line, "reason": reason, "raw": "x"}


def test_a_line_of_no_data_is_told_of_once() -> None:
    rejects = [rejected(1, "no data: a title"), rejected(9, "no data: a total"), rejected(1, "odd")]
    notes = ["line 1 is no data, a title: 'x'", "1 more lines are no data: see the rejects"]
    told = _text({**SHOWN, "notes": notes, "first_rejects": rejects}).splitlines()
    assert [line for line in told if "reject:" in line] == [
        "  reject: t.csv, line 9: no data: a total: 'x'",
        "  reject: t.csv, line 1: odd: 'x'",
    ]


def test_nothing_is_null_in_a_difference() -> None:
    changed = {"key": {"id": 1}, "values": {"a": (None, "x")}}
    examples = {"added": [{"id": 2, "a": None}], "changed": [changed]}
    place = {"database": "main", "dataset": "public", "table": "t", "from": 1, "to": 2}
    counts = {"added": 1, "removed": 0, "changed": 1, "key": ["id"], "columns": []}
    lines = _difference({**place, **counts, "examples": examples}).splitlines()
    assert lines[1:] == ["  + id 2, a null", "  ~ id 1: a null → 'x'"]
