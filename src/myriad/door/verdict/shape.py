"""The shape of a text: what it is without its values, and a number that is the same for equal ones.

Statistics of statements are kept for long and shown to others, so nothing of a value may get there:
of a query every literal and every comment is left out, token by token, as PostgreSQL's own scanner
parts them. What is no query (SET, CREATE, ALTER …) may have a value where a name could stand, and a
text that tells of passwords may have one anywhere: of these only the command is left.
"""

import hashlib
import random
import re
import time

from pglast import parser

from myriad.door.cache import Cache
from myriad.door.verdict.words import command_word

# A number of 64 bits, signed; letters; and for how many texts it stands: see `Sampler`.
Shape = tuple[int, str, int]

MOST_LETTERS = 1000
MOST_NEW, ONE_OF = 100, 16  # of new texts in a second; beyond that
MOST_BYTES = 4 << 20  # of shapes that are known
SHAPE_BYTES = 150  # of the small objects of one
# A longer text is known by its command alone: to part it takes as long as to parse it.
LONG_BYTES = 32 << 10
QUERIES = frozenset(
    (
        *("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"),
        *("ExplainStmt", "PrepareStmt", "ExecuteStmt", "DeclareCursorStmt", "FetchStmt"),
    )
)
VALUE, REST = "?", " …"
BEGINNINGS = frozenset((f"BEGIN{REST}", f"START TRANSACTION{REST}"))
_COMMENTS = frozenset(("SQL_COMMENT", "C_COMMENT"))
# Names, parameters and operators; keywords and single letters are known otherwise.
_SHOWN = frozenset(
    (
        *("IDENT", "UIDENT", "PARAM", "Op", "TYPECAST", "DOT_DOT", "COLON_EQUALS"),
        *("EQUALS_GREATER", "LESS_EQUALS", "GREATER_EQUALS", "NOT_EQUALS"),
    )
)
# Of COPY; the names of the marks are the scanner's.
_TARGETS = frozenset(("TO", "FROM"))
_MARKS = frozenset((_OPEN := "ASCII_40", _CLOSE := "ASCII_41", _COMMA := "ASCII_44", "ASCII_59"))
_STATEMENT = re.compile(r'"stmt":\{"(\w+)":\{(?:"kind":"(TRANS_STMT_\w+|VAR_RESET\w*)")?')
_KIND = re.compile(r'"(\w+Stmt)":\{')
_known: Cache[int, Shape] = Cache(MOST_BYTES, lambda _, shape: len(shape[1]) + SHAPE_BYTES)


class Sampler:
    """Says of a new text whether its shape is looked for: that takes a third of a parse.

    Of few it always is. Of more in a second, one of some is, and stands for as many.
    """

    def __init__(self) -> None:
        self._second = self._new = 0

    def weight(self) -> int:
        """Return for how many texts a new one stands; 0: for none."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._new = second, 0
        self._new += 1
        if self._new <= MOST_NEW:
            return 1
        return ONE_OF if random.random() * ONE_OF < 1 else 0  # noqa: S311 - it hides nothing


def of(text: str, parsed: str, weight: int = 1, *, secret: bool) -> Shape:
    """Return the shape of a text that the parser has read; `secret`: it tells of passwords.

    Those of weight 1 that are equal are one object, as long as it is known.
    """
    found = _of(text, parsed, secret=secret)
    return found if weight == 1 else (*found[:2], weight)


def _of(text: str, parsed: str, *, secret: bool) -> Shape:
    kinds = frozenset(_KIND.findall(parsed))
    if secret or len(text) > LONG_BYTES or not kinds <= QUERIES:
        return _named(_commands(parsed))
    if "CopyStmt" in kinds:  # of it, PostgreSQL's fingerprint has the file and the options
        return _named(without_values(text))
    number = _signed(int(parser.fingerprint(text), 16))
    found = _known.get(number)
    if found is None:
        found = (number, without_values(text), 1)
        _known.put(number, found)
    return found


def _commands(parsed: str) -> str:
    kinds = _STATEMENT.findall(parsed)[:MOST_LETTERS]
    words = "; ".join(command_word(kind, {"kind": detail}) + REST for kind, detail in kinds)
    return words[:MOST_LETTERS]


def _named(shown: str) -> Shape:
    """Return the shape that is known by what is shown of it."""
    digest = hashlib.blake2b(shown.encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big", signed=True)
    found = _known.get(number)
    if found is None:
        found = (number, shown, 1)
        _known.put(number, found)
    return found


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def without_values(text: str) -> str:
    """Return a query with `?` for each literal and a blank for each comment, cut if it is long."""
    pieces: list[str] = []
    length = end = 0
    options = _CopyOptions()
    for token in parser.scan(text):
        if token.name in _COMMENTS:
            continue
        if length > MOST_LETTERS:
            return "".join(pieces)[:MOST_LETTERS] + REST
        hidden = options.are_at_value(token.name) or not _is_shown(token)
        piece = VALUE if hidden else text[token.start : token.end + 1]
        if token.start > end and pieces:
            piece = f" {piece}"
        end = token.end + 1
        length += len(piece)
        pieces.append(piece)
    return "".join(pieces)


class _CopyOptions:
    """Finds the values of COPY's options, token by token: they need no quotes (NULL nothing)."""

    __slots__ = ("_begins", "_depth", "_stage")

    def __init__(self) -> None:
        self._depth = 0
        self._stage = ""  # of COPY: COPY, then TO or FROM, then (
        self._begins = False

    def are_at_value(self, name: str) -> bool:
        """Say whether the next token, of that name, is, or is part of, such a value."""
        if self._stage == _OPEN and self._depth == 1 and name not in _MARKS:
            begins, self._begins = self._begins, False
            return not begins
        if name in _MARKS:
            self._mark(name)
        elif self._depth == 0 and (name == "COPY" or (self._stage and name in _TARGETS)):
            self._stage = name
        return self._stage == _OPEN and self._depth > 1 and name not in _MARKS

    def _mark(self, name: str) -> None:
        if name == _OPEN:
            if self._depth == 0 and self._stage in _TARGETS:
                self._stage, self._begins = _OPEN, True
            self._depth += 1
        elif name == _CLOSE:
            self._depth -= 1
            if self._depth == 0 and self._stage == _OPEN:
                self._stage = ""
        elif name == _COMMA:
            self._begins = True
        elif self._depth == 0:
            self._stage = ""


def _is_shown(token: parser.Token) -> bool:
    name: str = token.name
    return name in _SHOWN or name.startswith("ASCII_") or token.kind != "NO_KEYWORD"
