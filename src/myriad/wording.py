"""Words for people."""

import difflib
from collections.abc import Iterable


def number_of(number: int, noun: str) -> str:
    """Return so many of a thing: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def meant(name: str, names: Iterable[str], otherwise: str) -> str:
    """Return a hint at the one of `names` that was meant by `name`; `otherwise` if none is near."""
    near = difflib.get_close_matches(name, sorted(set(names)), n=1)
    return f"Is {near[0]} meant?" if near else otherwise


def changed(line: str) -> str:
    """Return a line of a difference, such as `+ price numeric`, in words."""
    sign, _, what = line.partition(" ")
    words = {"+": "new", "-": "gone", "~": "changed"}
    return f"{words[sign]}: {what}" if sign in words else f"changed: {line}"
