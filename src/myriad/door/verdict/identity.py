"""The person's name in a text: where current_user and its relatives stand, and a literal instead.

In a shared pool the server knows only the pool's role. A literal keeps the type (`name`, `text`),
and a scalar sub-select keeps the output name too, wherever PostgreSQL derives one (FigureColname in
parse_target.c), through casts, CASE and sub-selects, without having to know where the
expression around it ends. All places of one query whose expressions PostgreSQL compares with each
other (target list, GROUP BY, ORDER BY, DISTINCT, HAVING) get the same form.
"""

import re
from collections.abc import Sequence
from typing import Any

from myriad.door.verdict.effects import LOAD, MOST_SPANS, NOT_SUPPORTED, TOO_MUCH, Effects, Span
from myriad.door.verdict.rewriting import Place, quote

Node = dict[str, Any]

KEYWORDS = {
    "SVFOP_CURRENT_USER": "current_user",
    "SVFOP_CURRENT_ROLE": "current_role",
    "SVFOP_USER": "user",
    "SVFOP_SESSION_USER": "session_user",
}
_CALL = re.compile(rb'(?:"?pg_catalog"?\s*\.\s*)?("?)([a-z_]+)\1\s*\(\s*\)', re.IGNORECASE)
_SHAPES = {
    "cast": "CAST({literal} AS pg_catalog.{type})",
    "query": '(SELECT CAST({literal} AS pg_catalog.{type}) AS "{alias}")',
    "table": 'CAST({literal} AS pg_catalog.{type}) AS "{alias}"',
}


def note_value(effects: Effects, value: Node, form: str, *, fixed: bool) -> None:
    """Add one SQL value function: a bare keyword."""
    alias = KEYWORDS.get(value.get("op", ""))
    if alias is None:
        return  # current_date and others: nobody's name
    _note_keyword(effects, value, alias, form, fixed=fixed)


def note_call(effects: Effects, call: Node, alias: str, form: str, *, fixed: bool) -> None:
    """Add one call of a function that tells who asks."""
    if call.get("funcformat") == "COERCE_SQL_SYNTAX":
        _note_keyword(effects, call, alias, form, fixed=fixed)
        return
    start = int(call.get("location", 0))
    found = _CALL.match(effects.source, start)
    known = found is not None and found[2].lower() == alias.encode()
    _note(effects, Span(start, found.end() if found and known else -1, alias, form), fixed=fixed)


def _note_keyword(effects: Effects, node: Node, alias: str, form: str, *, fixed: bool) -> None:
    start = int(node.get("location", 0))
    end = start + len(alias)
    known = effects.source[start:end].lower() == alias.encode()
    _note(effects, Span(start, end if known else -1, alias, form), fixed=fixed)


def _note(effects: Effects, span: Span, *, fixed: bool) -> None:
    if fixed:
        message = f"{span.alias} cannot be part of a definition here"
        hint = "people who share your rights share this connection; write the name as a string"
        effects.refuse(message, hint, NOT_SUPPORTED)
    elif span.end < 0 or span.form not in _SHAPES:
        message = f"{span.alias} cannot be written in this way here"
        effects.refuse(message, f"use (SELECT {_plain(span.alias)}) instead", NOT_SUPPORTED)
    elif len(effects.identity) >= MOST_SPANS:
        effects.refuse(f"{span.alias} stands in too many places of the statement", LOAD, TOO_MUCH)
    else:
        effects.identity[span.start] = span


def _plain(alias: str) -> str:
    return "current_user" if alias == "getpgusername" else alias


def _written(span: Span, person: str) -> str:
    system = span.alias == "system_user"
    literal = quote(f"scram-sha-256:{person}" if system else person)
    kind = "text" if system else "name"
    return _SHAPES[span.form].format(literal=literal, type=kind, alias=span.alias)


def places(spans: Sequence[Span], person: str) -> list[Place]:
    """Return what to write where a text asks the server who asks."""
    return [Place(span.start, span.end, _written(span, person)) for span in spans]
