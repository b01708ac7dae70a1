"""What is said to people is said well."""

import re
from pathlib import Path

import pytest

import myriad
from myriad.wording import as_written, average_of, changed, meant, nearest, number_of

NOUNS = "rows|tables|rejects|records|columns|values|lines|sessions|times|passwords|fields"
# A number that is worked out, and a noun that is right only if it is not 1. Constants are never 1.
PLURAL = re.compile(rf"f\".*\{{(?!average}}|parts|[A-Z_]+[:}}])[^{{}}]*\}} (?:{NOUNS})\b")
ROOT = Path(myriad.__file__).parent
ELSEWHERE = ("door", "cql", "engines", "publish/cassandra", "cli/progress.py", "cli/bars.py")


def test_one_is_said_as_one() -> None:
    assert [number_of(n, "row") for n in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]


@pytest.mark.parametrize(
    ("name", "near"),
    [("nie", None), ("slaes", "sales"), ("sale", "sales"), ("on", "one"), ("x", None)],
)
def test_a_name_that_is_not_alike_is_not_meant(name: str, near: str | None) -> None:
    assert nearest(name, ["one", "sales"]) == near


def test_one_on_average_is_said_as_one() -> None:
    found = [average_of(average, "row") for average in (0.5, 1.0, 1.04, 1.5, 2000.0)]
    assert found == ["0.5 rows", "1 row", "1 row", "1.5 rows", "2,000 rows"]


def test_numbers_of_things_are_said_in_one_place() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted(ROOT.rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith(ELSEWHERE)
        for line in path.read_text("utf-8").splitlines()
        if PLURAL.search(line)
    ]
    assert found == []


def test_changes_are_said_in_words() -> None:
    lines = ["+ sum bigint", "- b text", "~ c bigint → numeric"]
    assert list(map(changed, lines)) == [
        "new: sum bigint",
        "gone: b text",
        "changed: c bigint → numeric",
    ]


def test_the_nearest_name_is_meant() -> None:
    assert meant("sale", ["sales", "people"], "?") == "Is sales meant?"
    assert meant("sale", ["people"], "?") == "?"


def test_forms_of_dates_are_told_in_signs_that_people_use() -> None:
    assert as_written("%d.%m.%Y %H:%M:%S") == "DD.MM.YYYY hh:mm:ss"
    assert as_written("%m/%d/%y %I:%M:%S %p") == "MM/DD/YY hh:mm:ss AM"
    assert as_written("1234,5 %") == "1234,5 %"
