"""SQLite's SQL as words: what checks and views say, so that it can be looked at."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from myriad.sources.typing.sql import literal, quoted

MOST_CHARACTERS, MOST_WORDS, DEEPEST = 20_000, 2_000, 50
# Source: https://sqlite.org/lang_keywords.html for quotes, lang_expr.html there for marks.
_WORD = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?(?:\*/|$))
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark>==|<>|!=|<=|>=|\|\||[-+*/%=<>(),.;])""",
    re.VERBOSE | re.DOTALL,
)


class Refused(Exception):
    """What cannot be carried over; the text says why, as the end of a sentence."""


@dataclass(frozen=True)
class Word:
    """A piece of SQL: its kind as `_WORD` calls it, and what it stands for."""

    kind: str
    value: str
    string: bool = False  # in double quotes: a string, where no column is called so
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    def says(self, keyword: str) -> bool:
        """Say whether it is this keyword, in whatever case."""
        return self.kind == "word" and self.value.upper() == keyword


def words(sql: str) -> list[Word]:
    """Return the words of a statement; raises Refused for what is none, or too long or deep."""
    if len(sql) > MOST_CHARACTERS:
        raise Refused("it is too long")
    found: list[Word] = []
    at = depth = 0
    while at < len(sql):
        match = _WORD.match(sql, at)
        if match is None or match.lastgroup is None:
            raise Refused(f"{sql[at]!r} is not understood")
        at = match.end()
        if match.lastgroup != "blank":
            found.append(replace(_word(match.lastgroup, match[0]), start=match.start(), end=at))
            depth += (match[0] == "(") - (match[0] == ")")
        if depth > DEEPEST or len(found) > MOST_WORDS:
            raise Refused("it is too long")
    return found


def _word(kind: str, text: str) -> Word:
    if kind == "text":
        return Word(kind, text[1:-1].replace("''", "'"))
    if kind == "name":
        mark = text[-1]
        return Word(kind, text[1:-1].replace(mark * 2, mark), mark == '"')
    return Word(kind, text)


def checks(given: Sequence[Word]) -> list[list[Word]]:
    """Return what stands in the brackets of each CHECK of a CREATE TABLE."""
    return [
        inside(given, at + 1)
        for at, word in enumerate(given[:-1])
        if word.says("CHECK") and given[at + 1] == Word("mark", "(")
    ]


def inside(given: Sequence[Word], start: int) -> list[Word]:
    """Return what stands between the bracket at `start` and the one that closes it."""
    depth = 0
    for at in range(start, len(given)):
        if given[at].kind == "mark":
            depth += (given[at].value == "(") - (given[at].value == ")")
        if depth == 0:
            return list(given[start + 1 : at])
    raise Refused("a bracket is not closed")


def view(given: Sequence[Word]) -> tuple[list[str], list[Word]]:
    """Return the names that a CREATE VIEW gives to its columns, and its SELECT."""
    start = next((at for at, word in enumerate(given) if word.says("AS")), len(given))
    brackets = [at for at in range(start) if given[at] == Word("mark", "(")]
    named = inside(given, brackets[0]) if brackets else []
    names = [word.value for word in named if word != Word("mark", ",")]
    body = list(given[start + 1 :])
    return names, body[:-1] if body and body[-1] == Word("mark", ";") else body


def shown(given: Sequence[Word], sql: str) -> str:
    """Return words as they stand in the statement, in one line, for a note."""
    return " ".join(sql[given[0].start : given[-1].end].split()) if given else ""


def _quoted(word: Word) -> str:
    quote = {"text": literal, "name": quoted}.get(word.kind, str)
    return quote(word.value)


def for_postgres(given: Sequence[Word], names: Collection[str], *, whole: bool) -> str:
    """Return words as PostgreSQL's grammar takes them.

    `names`, in lower case, are those of columns and tables, which may be keywords there. `whole`:
    these are all, so that something else in double quotes is a string.
    """
    made = []
    for at, word in enumerate(given):
        called = at + 1 < len(given) and given[at + 1] == Word("mark", "(")
        if word.string and whole and word.value.lower() not in names:
            made.append(literal(word.value))
        elif word.kind == "word" and word.value.lower() in names and not called:
            made.append(quoted(word.value))
        else:
            made.append(_quoted(word))
    return " ".join(made)
