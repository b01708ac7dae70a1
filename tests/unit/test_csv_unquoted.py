"""Tables in which a quote is a character like any other."""

from pathlib import Path

import pytest

from myriad.model import Reject
from tests.csv_source import opened, texts

BANDS = '"A" is for Alibi\t1982\n"Heroes"\t1977\n5" pipe\t2001\n"\t2002\n"Up" and "Down"\t1990\n'


def read(folder: Path, text: str, name: str = "t.tsv") -> tuple[list[object], int, str]:
    (path := folder / name).write_text(text)
    (folder / "work").mkdir()
    source, rejects = opened(path, folder / "work"), list[Reject]()
    found = texts(source, rejects)
    source.close()
    return list(found), len(rejects), "\n".join(source.table.notes)


@pytest.mark.parametrize(("mark", "name"), [("\t", "t.tsv"), ("\t", "t.csv"), ("|", "t.txt")])
def test_quotes_that_close_nothing_are_part_of_their_fields(
    mark: str, name: str, tmp_path: Path
) -> None:
    found, rejects, notes = read(tmp_path, ("title\tyear\n" + BANDS).replace("\t", mark), name)
    assert found == [tuple(line.split("\t")) for line in BANDS.splitlines()]
    assert rejects == 0
    assert "no quotes: they are part of what they stand in" in notes


def test_they_may_come_late(tmp_path: Path) -> None:
    many = [(f"name {number}", "5") for number in range(20_000)]
    late = [('"Swing it" magistern', '"Swing it" again'), ('"x" y', "7")]
    lines = "".join(f"{one}\t{two}\n" for one, two in [("a", "b"), *many, *late])
    found, rejects, _ = read(tmp_path, lines)
    assert (found[-2:], len(found), rejects) == (late, 20_002, 0)


@pytest.mark.parametrize(
    ("text", "rejects"),
    [
        ('a\tb\n"x" y\t1\n"z"\t2\n"v"\t3\n', 1),  # one of several quoted ones is broken
        ('a\tb\n"x" y\t1\n2\t3\n', 1),  # one alone may be damaged
        ('a\tb\n"x" y\t"v" w\n1\n', 2),  # no table without quotes either
        ('a|b\n"x|y"|1\n"z\nw"|2\n', 0),  # what is quoted has delimiters and line ends
        ('a,b\n"x" y,"v" w\n1,2\n', 1),  # commas stand in texts
    ],
    ids=["quoted", "one", "uneven", "sound", "commas"],
)
def test_where_fields_are_quoted_a_stray_quote_stays_a_reject(
    text: str, rejects: int, tmp_path: Path
) -> None:
    assert read(tmp_path, text, "t.csv")[1] == rejects
