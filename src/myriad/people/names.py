"""Which names people and groups may have: nearly every text is just a name."""

import unicodedata
from collections.abc import Sequence

from myriad.errors import PeopleError
from myriad.wording import obeyed

# NAMEDATALEN - 1: PostgreSQL would cut a longer name without a word.
MAX_BYTES = 63
RESERVED = ("pg_", "myriad")  # PostgreSQL's own roles, and ours
KEYWORDS = ("public", "none")  # what PostgreSQL itself takes for something else
SHOWN = 10


def check(names: Sequence[str], what: str) -> None:
    """Raise PeopleError if one of `names` cannot be a name, or stands there twice."""
    for name in names:
        problem = _problem(name)
        if problem:
            raise PeopleError(
                f"{name!r} cannot be the name of a {what}: {problem}",
                hint=f"A name has 1 to {MAX_BYTES} bytes, no control characters, and no space"
                " at its ends.",
            )
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
        raise PeopleError(f"given more than once: {shown(twice)}", hint="Give each name once.")


def check_people(people: Sequence[str], groups: Sequence[str]) -> None:
    """Raise PeopleError as `check` for names of people and of groups: they share them."""
    check(people, "person")
    check(groups, "group")
    both = sorted(set(people) & set(groups))
    if both:
        raise PeopleError(
            f"given as a person and as a group: {shown(both)}",
            hint="Nothing was changed. People and groups share their names: choose another.",
        )


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name != name.strip():
        return "it begins or ends with a space"
    if obeyed(name) or any(unicodedata.category(mark) in {"Cc", "Cs"} for mark in name):
        return "it has control characters, or is not UTF-8"
    if len(name.encode()) > MAX_BYTES:
        return f"it has {len(name.encode())} bytes"
    if name.lower().startswith(RESERVED):
        return f"names that begin with {' or '.join(RESERVED)} are reserved"
    if name in KEYWORDS:
        return "PostgreSQL reserves it"
    return None


def shown(names: Sequence[str]) -> str:
    """Return `names` for a message, the first ones if there are many."""
    text = ", ".join(repr(name) for name in names[:SHOWN])
    return text if len(names) <= SHOWN else f"{text} and {len(names) - SHOWN} more"
