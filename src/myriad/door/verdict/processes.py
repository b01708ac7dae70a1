"""What a text says of processes of the server, whose numbers are not those of sessions.

A client knows its session by the door's number, from BackendKeyData; the server knows processes,
which serve one session and then another. `look` finds the places where one must stand for the
other: pure, and only for texts that ask about processes at all.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from myriad.door.verdict.effects import Span, words
from myriad.pgwire.numbers import FIRST_NUMBER, LAST_NUMBER

Node = dict[str, Any]

ASKING = "pg_backend_pid"
SIGNALS = frozenset(("pg_cancel_backend", "pg_terminate_backend"))
# Views whose column `pid` people compare with a number that they know.
VIEWS = words("pg_locks pg_stat_activity pg_stat_gssapi pg_stat_ssl")
_BARE = words("limitOption op targetList")  # of a SELECT that reads nothing
_CALL = re.compile(rb'(?:"?pg_catalog"?\s*\.\s*)?("?)pg_backend_pid\1\s*\(\s*\)', re.IGNORECASE)
MOST_PLACES = 100  # of numbers in one text
MOST_ARGUMENTS = 2  # the number, and how long to wait


@dataclass(frozen=True, slots=True)
class Signal:
    """A statement that is nothing but `SELECT pg_terminate_backend(…)`, or `pg_cancel_backend`.

    Attributes:
        function: what is called.
        call, alias: how it is written, and how its column is named.
        number: of whom, if it is written there; else `parameter` says which one it is, from 1.
        timeout: SQL of the second argument with the comma before it, or nothing.
    """

    function: str
    call: str
    alias: str
    number: int
    parameter: int
    timeout: str


@dataclass(frozen=True, slots=True)
class Processes:
    """What a text says of processes.

    Attributes:
        asked: where it asks for the number of its own, and reads nothing to compare it with.
        written: integers that could be numbers of sessions.
        signals: it may cancel or end something, in whatever way.
        signal: it is nothing but that.
    """

    asked: tuple[Span, ...]
    written: tuple[Span, ...]
    signals: bool
    signal: Signal | None


def look(tree: list[Node], source: bytes, *, signals: bool) -> Processes:
    """Return what a parsed text says of processes."""
    bare = [select for select in map(_bare_select, tree) if select is not None]
    return Processes(
        tuple(islice(_asked(bare, source), MOST_PLACES)),
        tuple(islice(_written(tree, source), MOST_PLACES)),
        signals,
        _signal(bare[0]) if signals and len(tree) == len(bare) == 1 else None,
    )


def _bare_select(statement: Node) -> Node | None:
    select = statement.get("stmt", {}).get("SelectStmt")
    return select if select is not None and _BARE.issuperset(select) else None


def _asked(selects: list[Node], source: bytes) -> Iterator[Span]:
    """Give each call that is a column by itself: elsewhere it is compared, or handed on."""
    for select in selects:
        for target in select.get("targetList", []):
            value = target.get("ResTarget", {}).get("val", {})
            call = _uncast(value).get("FuncCall", {})
            if _name(call) == ASKING:
                found = _CALL.match(source, int(call.get("location", 0)))
                if found:
                    yield Span(found.start(), found.end(), ASKING, "query")


def _uncast(value: Node) -> Node:
    while "TypeCast" in value:
        value = value["TypeCast"].get("arg", {})
    return value


def _name(call: Node) -> str:
    names = [part.get("String", {}).get("sval", "") for part in call.get("funcname", [])]
    return str(names[-1]) if names and names[:-1] in ([], ["pg_catalog"]) else ""


def _written(tree: list[Node], source: bytes) -> Iterator[Span]:
    tasks: list[Any] = [tree]
    while tasks:
        value = tasks.pop()
        if isinstance(value, list):
            tasks.extend(value)
        elif isinstance(value, dict):
            number = _integer(value)
            if FIRST_NUMBER <= number <= LAST_NUMBER:
                start, digits = int(value["A_Const"].get("location", 0)), str(number)
                if source.startswith(digits.encode(), start):
                    yield Span(start, start + len(digits), digits, "cast")
            tasks.extend(value.values())


def _integer(value: Node) -> int:
    return int(value.get("A_Const", {}).get("ival", {}).get("ival", 0))


def _signal(select: Node) -> Signal | None:
    targets = select.get("targetList", [])
    if len(targets) != 1:
        return None
    target = targets[0].get("ResTarget", {})
    call = target.get("val", {}).get("FuncCall", {})
    arguments = [_argument(value) for value in call.get("args", [])]
    function = _name(call)
    plain = call.keys() <= {"funcname", "args", "funcformat", "location"}
    if function not in SIGNALS or not plain or not 1 <= len(arguments) <= MOST_ARGUMENTS:
        return None
    alias = target.get("name", function)
    if not all(arguments) or not alias.isascii():
        return None
    who = arguments[0]
    timeout = "".join(f", {argument}" for argument in arguments[1:])
    written = function if len(call["funcname"]) == 1 else f"pg_catalog.{function}"
    number, parameter = (0, int(who[1:])) if who.startswith("$") else (int(who), 0)
    return Signal(function, written, alias, number, parameter, timeout)


def _argument(value: Node) -> str:
    """Return the SQL of an argument that is a whole number or a parameter; else nothing."""
    value = _uncast(value)
    if "ParamRef" in value:
        number = value["ParamRef"].get("number", 0)
        return f"${number}" if number else ""
    if "ival" in value.get("A_Const", {}):
        return str(_integer(value))
    return ""
