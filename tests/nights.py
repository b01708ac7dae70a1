"""Tables that are published every night from files that drift, and what must come of each file.

A model knows what a table is. A drift makes a file of tonight from it, and says what the table has
to be afterwards, or that the file has to be refused. Everything follows from one random generator.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from myriad.publish.contract import Change

Row = tuple[str | None, ...]
FEWEST, MOST = 100, 160  # rows of a whole file: enough for the contract to miss half of them
MOST_COLUMNS = 9
START = {"id": "bigint", "mark": "bigint", "qty": "bigint", "price": "numeric", "word": "text"}
KEPT = ("id", "mark", "qty")  # columns that never go, so that readers can name them
WORDS = ("Müller", "Zoë, née Ødegård", 'the "best" one', "two\nlines", "Straße", "plain")
PAGE = b"<!DOCTYPE html>\n<html><head><title>503</title></head><body>Sorry.</body></html>\n"


@dataclass(frozen=True)
class State:
    """What a table is at a time: its columns with their types, in order, and its rows as text."""

    types: tuple[tuple[str, str], ...]
    rows: frozenset[Row]

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return [name for name, _ in self.types]

    def dicts(self) -> list[dict[str, str | None]]:
        """Return the rows by their columns, ordered by the key."""
        rows = (dict(zip(self.names, row, strict=True)) for row in self.rows)
        return sorted(rows, key=lambda row: int(row["id"] or 0))

    def marks(self) -> frozenset[Row]:
        """Return the two columns that never go."""
        return frozenset(row[:2] for row in self.rows)


@dataclass(frozen=True)
class Night:
    """One file, how it is published, and the state that must come of it; None: it is refused."""

    why: str
    data: bytes
    after: State | None
    options: Mapping[str, Any] = field(default_factory=dict)


def state(types: Mapping[str, str], rows: Iterable[Mapping[str, str | None]]) -> State:
    """Return the state of a table with these rows; a column that one lacks is null in it."""
    made = (tuple(_as_number(row.get(name), kind) for name, kind in types.items()) for row in rows)
    return State(tuple(types.items()), frozenset(made))


def _as_number(value: str | None, kind: str) -> str | None:
    """Return the same text for the same number: a column of 7 and 7.25 has 7.00."""
    if value is None or kind != "numeric":
        return value
    return f"{Decimal(value).normalize():f}"


def written(found: State, *, encoding: str = "utf-8") -> bytes:
    """Return the state as a CSV file."""
    return listed(found.names, found.dicts()).encode(encoding)


def listed(names: list[str], rows: list[dict[str, str | None]]) -> str:
    """Return rows as the text of a CSV file."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in rows)
    return file.getvalue()


def _value(random: Random, kind: str) -> str:
    if kind == "bigint":
        return str(random.randrange(10 ** random.randint(1, 12)))
    if kind == "numeric":
        return f"{random.randrange(100_000)}.{random.randrange(100):02}"
    return f"{random.choice(WORDS)} {random.randrange(1000)}"


def _rows(
    random: Random, types: Mapping[str, str], mark: int, ids: range
) -> list[dict[str, str | None]]:
    made: list[dict[str, str | None]] = []
    for number in ids:
        row: dict[str, str | None] = {name: _value(random, kind) for name, kind in types.items()}
        made.append({**row, "id": str(number), "mark": str(mark)})
    return made


def whole(random: Random, types: Mapping[str, str], mark: int) -> State:
    """Return a table of these columns with other rows."""
    rows = _rows(random, types, mark, range(1, random.randint(FEWEST, MOST)))
    return state(types, rows)


Drift = Callable[[Random, State, int], Night]


def unchanged(random: Random, now: State, mark: int) -> Night:  # noqa: ARG001 - as all drifts
    return Night("the same again", written(now), now)


def other_rows(random: Random, now: State, mark: int) -> Night:
    after = whole(random, dict(now.types), mark)
    return Night("other rows", written(after), after)


def new_column(random: Random, now: State, mark: int) -> Night:
    if len(now.types) >= MOST_COLUMNS:
        return other_rows(random, now, mark)
    after = whole(random, {**dict(now.types), f"new_{mark}": "text"}, mark)
    return Night("a new column", written(after), after)


def wider(random: Random, now: State, mark: int) -> Night:
    after = whole(random, {**dict(now.types), "qty": "numeric"}, mark)
    return Night("wider numbers", written(after), after)


def other_encoding(random: Random, now: State, mark: int) -> Night:
    after = whole(random, dict(now.types), mark)
    encoding = random.choice(["cp1252", "utf-16", "utf-8-sig"])
    return Night(f"encoded as {encoding}", written(after, encoding=encoding), after)


def compressed(random: Random, now: State, mark: int) -> Night:
    after = whole(random, dict(now.types), mark)
    return Night("compressed", gzip.compress(written(after)), after)


def appended(random: Random, now: State, mark: int) -> Night:
    types = dict(now.types)
    if random.random() < 0.3:
        types["qty"] = "numeric"
    last = max(int(row[0] or 0) for row in now.rows)
    more = state(types, _rows(random, types, mark, range(last + 1, last + random.randint(5, 30))))
    given = {name: types[name] for name in random.sample(now.names, len(types)) if name != "word"}
    part = state(given, more.dicts())
    after = state(types, now.dicts() + part.dicts())
    return Night("appended", written(part), after, {"append": True})


def merged(random: Random, now: State, mark: int) -> Night:
    types, ids = dict(now.types), [int(row[0] or 0) for row in now.rows]
    changed = _rows(random, types, mark, range(1, max(ids) + random.randint(2, 20)))
    given = random.sample(changed, max(2, len(changed) // 3))
    rows = {row["id"]: row for row in now.dicts()} | {row["id"]: row for row in given}
    after = state(types, list(rows.values()))
    return Night("merged", written(state(types, given)), after, {"merge": True})


def merged_whole(random: Random, now: State, mark: int) -> Night:
    """Rows that the file lacks go."""
    rows = _rows(random, dict(now.types), mark, range(1, len(now.rows) - random.randint(2, 20)))
    kept = [row for row in now.dicts() if int(row["id"] or 0) < len(rows) // 2]
    new = {row["id"]: row for row in rows} | {row["id"]: row for row in kept}
    after = state(dict(now.types), list(new.values()))
    return Night("merged whole", written(after), after, {"merge": True, "delete_missing": True})


def without_a_column(random: Random, now: State, mark: int) -> Night:
    loose = [name for name in now.names if name not in KEPT]
    gone = random.choice(loose)
    after = whole(random, {name: kind for name, kind in now.types if name != gone}, mark)
    allowed = len(loose) > 1 and random.random() < 0.3
    return _perhaps("a column gone", after, Change.COLUMNS, allowed=allowed)


def half_of_it(random: Random, now: State, mark: int) -> Night:
    rows = _rows(random, dict(now.types), mark, range(1, len(now.rows) // 3))
    if len(now.rows) < FEWEST:  # then there is nothing to miss
        return other_rows(random, now, mark)
    after = state(dict(now.types), rows)
    return _perhaps("few rows", after, Change.SHRINK, allowed=random.random() < 0.3)


def all_null(random: Random, now: State, mark: int) -> Night:
    full = {name for row in now.dicts() for name, value in row.items() if value is not None}
    name = random.choice([name for name in now.names if name in full and name not in KEPT[:2]])
    rows = whole(random, dict(now.types), mark).dicts()
    after = state(dict(now.types), [{**row, name: None} for row in rows])
    return _perhaps(f"{name} all null", after, Change.NULLS, allowed=random.random() < 0.3)


def _perhaps(why: str, after: State, change: Change, *, allowed: bool) -> Night:
    """Return a night that is a change for the worse, which is allowed or not."""
    if allowed:
        return Night(f"{why}, allowed", written(after), after, {"allow": frozenset({change})})
    return Night(why, written(after), None)


def _refused(why: str, data: bytes, **options: object) -> Night:
    return Night(why, data, None, options)


def empty(random: Random, now: State, mark: int) -> Night:  # noqa: ARG001 - as all drifts
    return _refused("empty", random.choice([b"", b"\n", ",".join(now.names).encode() + b"\n"]))


def error_page(random: Random, now: State, mark: int) -> Night:  # noqa: ARG001 - as all drifts
    texts = [PAGE, b'{"error": "try later"}\n', b"Service unavailable\n"]
    return _refused("an error page", random.choice(texts))


def truncated(random: Random, now: State, mark: int) -> Night:
    data = written(whole(random, dict(now.types), mark))
    if random.random() < 0.5:
        packed = gzip.compress(data)
        return _refused("cut short", packed[: random.randrange(20, len(packed) - 1)])
    lines = data.splitlines(keepends=True)
    part = b"".join(lines[: random.randrange(60, len(lines) - 1)])
    return _refused("cut within a record", part + b'999,"1')


def renamed_key(random: Random, now: State, mark: int) -> Night:
    data = written(whole(random, dict(now.types), mark))
    return _refused("the key has another name", data.replace(b"id,", b"number,", 1))


def duplicates(random: Random, now: State, mark: int) -> Night:
    rows = whole(random, dict(now.types), mark).dicts()
    twice = random.choice(rows)
    data = listed(now.names, [*rows, {**twice, "qty": "77"}]).encode()
    if random.random() < 0.3:
        return _refused("duplicates to merge", data, merge=True)
    return _refused("duplicates in the key", data)


def odd_value(random: Random, now: State, mark: int) -> Night:
    rows = whole(random, dict(now.types), mark).dicts()
    random.choice(rows)["qty"] = random.choice(["none", "12,5,0", "1.2.3", "ERR"])
    return _refused("a value that is no number", listed(now.names, rows).encode())


def appended_again(random: Random, now: State, mark: int) -> Night:
    rows = random.sample(now.dicts(), 3)
    again = _rows(random, dict(now.types), mark, range(10_000, 10_005))
    data = listed(now.names, again + rows).encode()
    return _refused("keys that are there", data, append=True)


# Of what comes, about as much is good as is bad.
GOOD: tuple[Drift, ...] = (
    unchanged, other_rows, new_column, wider, other_encoding, compressed, appended, merged,
    merged_whole,
)  # fmt: skip
BAD: tuple[Drift, ...] = (
    without_a_column, half_of_it, all_null, empty, error_page, truncated, renamed_key, duplicates,
    odd_value, appended_again,
)  # fmt: skip


def drifts(random: Random) -> Iterator[Drift]:
    """Yield each of them, and then again each, in some order."""
    while True:
        yield from random.sample((*GOOD, *BAD), len(GOOD) + len(BAD))
