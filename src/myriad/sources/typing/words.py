"""Words in which people write: months in all languages, currencies, flags, and what is no value."""

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

THOUSAND = 3  # digits of a group: `1.234` may be one
# `--no-null` lets them be words like any other.
NULLS = ("NA", "N/A", "n/a", "NULL", "null", r"\N", "-", "#N/A")
# True and false, as a file has them in any case.
FLAGS = (
    "yes/no",
    "y/n",
    "ja/nein",
    "j/n",
    "ja/nej",
    "ja/nee",
    "oui/non",
    "o/n",
    "sí/no",
    "si/no",
    "sì/no",
    "s/n",
    "sim/não",
    "tak/nie",
    "да/нет",
)
EXCEL = "Excel"  # days since the end of 1899: only where somebody says that they are dates
DIGIT_FLAGS = "1/0"  # only where somebody says that they are flags
# Languages of many: what fits one of these is not held against one of a few people.
COMMON = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "sv", "da", "nb", "fi", "cs", "sk"),
    *("hu", "ro", "tr", "el", "uk", "bg", "hr", "sr", "bs", "sl", "lt", "lv", "et", "ca", "id"),
    *("ms", "af", "is", "mk", "sq", "ka", "hy", "he", "ar", "kk", "az", "uz", "sw", "fil"),
)

_TOTAL = re.compile(
    r"((grand|sub)?[ -]?total|totals?|sum|summe|gesamt|insgesamt|totale|totaal|razem|suma|somme"
    r"|итого)\b.*",
    re.IGNORECASE,
)


def is_total(values: Sequence[str], width: int) -> bool:
    """Say whether a row with these values, of `width` columns, is a total of those above."""
    return 0 < len(values) < width and _TOTAL.fullmatch(values[0]) is not None


def whole_total(first: str) -> str:
    """Return a note on a last record that begins with a total's word and lacks no value."""
    return f"the last record begins with {first!r}: if it is a total, take it out of the file"


@cache
def _known() -> dict[str, Any]:
    file = resources.files("myriad.sources.typing").joinpath("words.json")
    known: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return known


@cache
def currencies() -> frozenset[str]:
    """Return the signs and codes of currencies."""
    return frozenset(_known()["currencies"])


def months(language: str) -> dict[str, int]:
    """Return the names of months, in lower case, with their numbers; none if it is not known."""
    found: dict[str, int] = _known()["months"].get(language, {})
    return found


def languages() -> tuple[str, ...]:
    """Return all languages, those of many people first."""
    return tuple(dict.fromkeys((*COMMON, *_known()["months"])))
