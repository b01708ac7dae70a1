"""Lists of people: a name on each line, or CSV with the header name,groups,owner,until."""

import csv
import difflib
import io
import itertools
from collections.abc import Sequence

from myriad.errors import UsageError
from myriad.people import expiry
from myriad.people.records import NewPerson
from myriad.wording import number_of

COLUMNS = ("name", "groups", "owner", "until")
ALIKE = COLUMNS[:3]  # a column that is called nearly so is one of these; `unit` is something else
MOST_BYTES, MOST = 64 << 20, 100_000  # of a list, and people in it
HEADER = 100_000  # characters that it may have
TRUE = ("true", "yes", "1", "t", "y")
FALSE = ("false", "no", "0", "f", "n", "")


def read_people(text: str, groups: tuple[str, ...] = (), *, owner: bool = False) -> list[NewPerson]:
    """Return who is in `text`, each also in `groups` and an owner if `owner` says so.

    Empty lines, and spaces around a name, count for nothing. Raises UsageError with the line.
    """
    first = io.StringIO(text).readline(HEADER + 1)
    if len(first) > HEADER:
        raise UsageError(
            f"the first line of the list of people has more than {HEADER:,} characters",
            hint="Each person stands on a line of their own.",
        )
    header = [title.strip().lower() for title in next(csv.reader([first]), [])]
    if "name" in header:
        return _read_csv(text, header, groups, owner=owner)
    lines = (line.strip() for line in io.StringIO(text))
    names = list(itertools.islice(filter(None, lines), MOST + 1))
    _check_number(names)
    for mark in ",;\t":
        if len(names) > 1 and all(mark in name for name in names):
            raise UsageError(
                f"every line of the list of people has {mark!r}: a table without a column name?",
                hint=f"A CSV needs commas and a header of {', '.join(COLUMNS)}.",
            )
    return [NewPerson(name, groups, owner) for name in names]


def _read_csv(
    text: str, header: list[str], groups: tuple[str, ...], *, owner: bool
) -> list[NewPerson]:
    _refuse_misspelt(header)
    if len(set(header)) < len(header):
        raise UsageError(
            f"the list of people has the header {','.join(header)}",
            hint="Each column may be there once.",
        )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    next(reader)
    try:
        rows = (row for row in reader if any(cell.strip() for cell in row))
        people = (_person(_cells(header, row), groups, owner=owner) for row in rows)
        found = list(itertools.islice(people, MOST + 1))
    except UsageError as error:
        raise UsageError(
            f"line {reader.line_num} of the list of people: {error.message}", hint=error.hint
        ) from error
    except (csv.Error, ValueError) as error:
        raise UsageError(
            f"line {reader.line_num} of the list of people: {error}",
            hint='A name with commas or quotes is quoted: "Smith, Jo". owner is yes or no.',
        ) from error
    _check_number(found)
    return found


def _check_number(people: Sequence[object]) -> None:
    if len(people) > MOST:
        raise UsageError(
            f"the list has more than {MOST:,} people", hint="Give the right file, or a part of it."
        )


def said(text: str) -> frozenset[str]:
    """Return which of COLUMNS a list of people has."""
    return frozenset(title.lower() for title in _titles(text)) & {*COLUMNS} | {"name"}


def ignored(text: str) -> list[str]:
    """Return the columns of a CSV of people that mean nothing here, such as `email`."""
    return [title for title in _titles(text) if title.lower() not in COLUMNS]


def _titles(text: str) -> list[str]:
    """Return the header of a CSV of people; nothing of a list of names."""
    titles = [title.strip() for title in next(csv.reader(text[:HEADER].splitlines()[:1]), [])]
    return titles if "name" in {title.lower() for title in titles} else []


def _refuse_misspelt(header: list[str]) -> None:
    for title in header:
        meant = difflib.get_close_matches(title, ALIKE, n=1, cutoff=0.7)
        if title not in COLUMNS and meant:
            raise UsageError(
                f"the list of people has a column {title!r}",
                hint=f"Is {meant[0]!r} meant? It may have: {', '.join(COLUMNS)}; others count for"
                " nothing.",
            )


def _cells(header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        raise ValueError(f"it has {number_of(len(row), 'column')}, the header {len(header)}")
    return dict(zip(header, row, strict=True))


def _person(cells: dict[str, str], groups: tuple[str, ...], *, owner: bool) -> NewPerson:
    own = (group.strip() for group in cells.get("groups", "").split(";"))
    flag = cells.get("owner", "").strip().lower()
    if flag not in TRUE + FALSE:
        raise ValueError(f"owner is {flag!r}")
    every = dict.fromkeys([*groups, *(group for group in own if group)])
    until = expiry.read(cells.get("until", ""))
    return NewPerson(cells["name"].strip(), tuple(every), owner or flag in TRUE, until=until)
