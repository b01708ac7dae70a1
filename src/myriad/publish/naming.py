"""Names for tables and columns: lower_snake_case, unique, within PostgreSQL's 63 bytes."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from myriad.errors import PublishError, UsageError
from myriad.wording import OBEYED, nearest, obeyed

MAX_BYTES = 63  # NAMEDATALEN - 1
FORBIDDEN_DATABASES = ("postgres", "myriad", "template0", "template1")  # the server's, and ours
FORBIDDEN_DATASETS = ("myriad", "myriad_guard", "myriad_workspace", "information_schema")
# Every table has columns of these names already:
# https://www.postgresql.org/docs/18/ddl-system-columns.html
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
SHOWN = 10  # names in a note
_NOTHING = dict.fromkeys(OBEYED)
# https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
# Written so because a range up to U+10FFFF within brackets takes 6 ms to compile.
_PLAIN = re.compile(r"(?:[a-z_]|[^\x00-\x7f])(?:[a-z0-9_$]|[^\x00-\x7f])*")


def snake(name: str) -> str:
    """Return `name` as lower_snake_case: `Total Price (€)` becomes `total_price`."""
    text = unicodedata.normalize("NFC", name)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    text = re.sub(r"\W+", "_", text.lower()).strip("_")
    text = re.sub(r"_+", "_", text)
    if not text:
        return "column"
    return f"_{text}" if text[0].isdigit() else text


def says_nothing(name: str) -> bool:
    """Say whether nothing of `name` is left in lower_snake_case."""
    return re.search(r"[^\W_]", name) is None


def unique(names: Sequence[str], *, keep: bool, taken: frozenset[str] = frozenset()) -> list[str]:
    """Return a name for each of `names`, in order: no two equal, none `taken` or over 63 bytes.

    `keep` leaves names as they are but for what PostgreSQL cannot hold, or a terminal would obey.
    """
    used, result = set(taken), []
    for name in names:
        base = (name.translate(_NOTHING) or "column") if keep else snake(name)
        chosen, number = shorten(base), 1
        while chosen in used:
            number += 1
            chosen = shorten(base, f"_{number}")
        used.add(chosen)
        result.append(chosen)
    return result


def shorten(name: str, suffix: str = "") -> str:
    """Return `name` + `suffix` cut to 63 bytes of UTF-8, never inside a character."""
    room = MAX_BYTES - len(suffix.encode())
    return name.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + suffix


def is_plain(name: str) -> bool:
    """Say whether SQL takes a name without quotes, unless it is one of its words."""
    return _PLAIN.fullmatch(name) is not None


def in_quotes(language: str, quoted: Sequence[str]) -> list[str]:
    """Return the note on names, given in quotes, that a language takes only so."""
    if not quoted:
        return []
    more = f" and {len(quoted) - SHOWN} more" if len(quoted) > SHOWN else ""
    return [f"in {language} write in quotes: {', '.join(quoted[:SHOWN])}{more}"]


def check(what: str, name: str) -> None:
    """Raise UsageError if PostgreSQL cannot name a database, dataset or table so."""
    if not name or obeyed(name) or shorten(name) != name:
        raise UsageError(
            f"a {what} cannot be called {name!r}",
            hint=f"Names have 1 to {MAX_BYTES} bytes and no control characters.",
        )


def check_database(database: str) -> None:
    """Raise UsageError if nobody can publish into a database of that name."""
    check("database", database)
    if database in FORBIDDEN_DATABASES:
        raise UsageError(f"{database} is not for data", hint="Choose another with --database.")


def check_dataset(dataset: str) -> None:
    """Raise UsageError if nobody can publish into a dataset of that name."""
    check("dataset", dataset)
    if dataset in FORBIDDEN_DATASETS or dataset.startswith("pg_"):
        raise UsageError(
            f"a dataset cannot be called {dataset!r}: that is what the server itself has",
            hint="Choose another with --dataset.",
        )


def unknown(
    table: str, database: str, default: str, there: Iterable[tuple[str, str]]
) -> PublishError:
    """Return the error for a table that is none of those `there`, with the nearest as hint.

    Those are pairs of dataset and name; of the dataset `default` the name alone is to be typed.
    """
    typed: dict[str, str] = {}
    for dataset, name in sorted(there, key=lambda place: (place[0] != default, place)):
        whole = f"{dataset}.{name}"
        typed |= {whole: name if dataset == default else whole}
        typed.setdefault(name, typed[whole])
    near = nearest(table, typed)
    hint = "`myriad list` shows what there is." if near is None else f"Is {typed[near]} meant?"
    return PublishError(f"no table {table} is published in {database}", hint=hint)
