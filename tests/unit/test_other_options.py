"""An option that the format of a file does not have does nothing, and the report says so."""

from pathlib import Path
from typing import Any

import pytest

from myriad.sources.options import WRITTEN, ReadOptions
from tests.apart import notes, stay_here
from tests.every_format import made

SAID: dict[str, Any] = {
    "delimiter": ";",
    "quote": "'",
    "encoding": "utf-8",
    "header": True,
    "skip": 1,
    "decimal": ".",
    "dates": "dmy",
    "nulls": ("x",),
    "null_words": False,
    "sheet": "Sheet",
    "records": ".",
    "nested": "json",
}
TREES, SHEETS = {"--records", "--nested"}, {"--sheet"}
TEXT = set(WRITTEN.values()) - TREES - SHEETS


@pytest.mark.parametrize(
    ("kind", "has"),
    [
        *(("csv", TEXT), ("jsonl", TREES), ("xml", TREES), ("bson", {"--nested"})),
        *(("xlsx", SHEETS), ("xls", SHEETS), ("ods", SHEETS)),
        *(("parquet", set()), ("sqlite", set()), ("arrow", set()), ("orc", set())),
        ("avro", set()),
    ],
)
def test_an_option_of_another_format_is_named(
    kind: str, has: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    path = made(kind, tmp_path)
    others = {name: value for name, value in SAID.items() if WRITTEN[name] not in has}
    said = notes(path, tmp_path / "w", **others)
    missing = [option for name in others if f"{(option := WRITTEN[name])} is for" not in said]
    assert missing == []
    assert "is for" not in notes(path, tmp_path / "w")


def test_each_option_of_how_a_file_is_written_is_known_to_be_said() -> None:
    assert ReadOptions(**SAID).given == list(WRITTEN)
    assert ReadOptions().given == []
    written = set(ReadOptions.__dataclass_fields__) - {"allow_private", "key", "table"}
    assert written == set(WRITTEN) == set(SAID)
