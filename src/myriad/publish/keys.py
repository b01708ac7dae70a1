"""Read keys as people write them: `carrier,month/time_hour:desc,flight`."""

import re
from collections.abc import Iterator, Sequence

from myriad.errors import UsageError
from myriad.model import Key, Order
from myriad.wording import meant

# A name in double quotes may hold anything, a plain one no mark that means something here.
_PART = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^",/][^,/]*?))
        (?::(?P<order>asc|desc))?\s*(?P<mark>[,/]|$)""",
    re.IGNORECASE | re.VERBOSE,
)
SHOWN = 20  # columns in a hint
HINT = "--key COL,COL or, for Cassandra, PARTITION,COLS/ROW:desc,COLS; before it TABLE= if needed."


def parse_keys(texts: Sequence[str]) -> dict[str, Key]:
    """Read `KEY` and `TABLE=KEY`; raises UsageError if one names no column or one twice."""
    keys = {}
    for text in texts:
        outside = re.sub(r'"(?:[^"]|"")*"', lambda found: "_" * len(found.group()), text)
        at = outside.rfind("=")
        keys[text[: max(at, 0)].strip()] = parse(text[at + 1 :])
    return keys


def parse(text: str) -> Key:
    """Read one key; nothing after the slash is as no slash. Raises UsageError."""
    before: list[str] = []
    after: list[tuple[str, Order]] = []
    slashes = 0
    for name, order, mark in _parts(text):
        if slashes == 0 and order is not None:
            raise UsageError(
                f"--key {text!r}: {name} is a partition column, and partitions have no order",
                hint=f"Order is of the columns behind the slash. {HINT}",
            )
        if slashes == 0:
            before.append(name)
        else:
            after.append((name, order or Order.ASC))
        slashes += mark == "/"
    if slashes > 1:
        raise UsageError(f"--key {text!r} has a slash that separates nothing", hint=HINT)
    return checked(Key(tuple(before), tuple(after)))


def _parts(text: str) -> Iterator[tuple[str, Order | None, str]]:
    """Yield name, order and the mark behind it; raises UsageError for what is no name."""
    at, mark = 0, ","
    while mark:
        found = _PART.match(text, at)
        if found is None:
            raise UsageError(f"--key {text!r} names no column", hint=HINT)
        quoted, order = found["quoted"], found["order"]
        name = found["plain"] if quoted is None else quoted.replace('""', '"')
        mark, at = found["mark"], found.end()
        yield name, Order(order.lower()) if order else None, mark
        if mark == "/" and not text[at:].strip():
            return


def hint(name: str, columns: Sequence[str]) -> str:
    """Return what to do about a name in a key that none of `columns` has."""
    column, colon, order = name.rpartition(":")
    if colon and column in columns:
        return f"{order!r} is no order: is {column}:asc or {column}:desc meant?"
    more = ", …" if len(columns) > SHOWN else ""
    return meant(name, columns, f"Its columns: {', '.join(columns[:SHOWN])}{more}.")


def checked(key: Key) -> Key:
    """Return `key`; raises UsageError if it names a column twice."""
    twice = [name for name in key.columns if key.columns.count(name) > 1]
    if twice:
        raise UsageError(f"the key names {twice[0]} twice", hint="Name each column once.")
    return key
