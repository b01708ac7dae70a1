"""Expressions of SQLite that mean the same in PostgreSQL, put together anew word by word.

PostgreSQL's own grammar reads them. Only what is named here is written again: whatever else there
is, such as functions that reach out of the table, other schemas and queries within, is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from myriad.model import Kind, Part, Phrase
from myriad.sources.sqlite.words import Refused
from myriad.sources.typing.sql import literal, quoted

_ORDERED = {"<", ">", "<=", ">="}
_EQUAL = {"=": "=", "==": "=", "<>": "<>", "!=": "<>"}
_ARITHMETIC = {"+", "-", "*", "/", "%", "||"}
_SMALL = (Kind.SMALLINT, Kind.INTEGER)
# What each may be called with, and what it is in PostgreSQL; none of them looks at anything else.
_PURE: dict[str, tuple[int, int, str]] = {
    "length": (1, 1, "pg_catalog.length"),
    "abs": (1, 1, "pg_catalog.abs"),
    "trim": (1, 2, "pg_catalog.btrim"),
    "pg_catalog.btrim": (1, 2, "pg_catalog.btrim"),
    "ifnull": (2, 2, "coalesce"),
}
_IN_VIEWS: dict[str, tuple[int, int, str]] = {
    "lower": (1, 1, "pg_catalog.lower"),
    "upper": (1, 1, "pg_catalog.upper"),
    "round": (1, 2, "pg_catalog.round"),
}
_AGGREGATES = {name: (1, 1, f"pg_catalog.{name}") for name in ("count", "sum", "min", "max", "avg")}
_TEXTS = frozenset({"trim", "pg_catalog.btrim", "lower", "upper"})


@dataclass(frozen=True)
class Seen:
    """A table as an expression sees it.

    Attributes:
        table: its own name.
        columns: by their names in lower case, their own names and kinds.
        anycase: it may compare text regardless of case.
    """

    table: str
    columns: Mapping[str, tuple[str, Kind]]
    anycase: bool


class Writer:
    """Writes expressions over some tables, by the names that they have there, in lower case.

    Those of a view name the tables of their columns, and may aggregate.

    Attributes:
        labels: names that a SELECT gives to what it chooses.
    """

    def __init__(self, seen: Mapping[str, Seen], *, view: bool) -> None:
        self._seen, self._view = seen, view
        self.labels: set[str] = set()
        self._ways: dict[str, Callable[[Any], Phrase]] = {
            "ColumnRef": self._column,
            "A_Const": self._constant,
            "BoolExpr": self._junction,
            "NullTest": self._null_test,
            "A_Expr": self._operator,
            "FuncCall": self._call,
            "CoalesceExpr": self._coalesce,
            "CaseExpr": self._case,
        }

    def write(self, node: Any) -> Phrase:  # noqa: ANN401 - pglast has no types
        """Return an expression as it means the same here; raises Refused."""
        way = self._ways.get(type(node).__name__)
        if way is None:
            raise Refused(_KNOWN.get(type(node).__name__, "it has what is not understood"))
        return way(node)

    def _found(self, node: Any) -> tuple[str, Seen, str, Kind]:  # noqa: ANN401
        """Return alias, table, column and kind of what a ColumnRef names."""
        fields = [getattr(field, "sval", None) for field in node.fields]
        if None in fields or len(fields) > 2:  # noqa: PLR2004 - a table's name and a column's
            raise Refused("it names what is in no table of the file")
        *above, name = (str(field).lower() for field in fields)
        among = {a: s for a, s in self._seen.items() if name in s.columns and above in ([], [a])}
        if len(among) != 1:
            raise Refused(f"no column of its tables is {'.'.join(map(str, fields))}")
        ((alias, seen),) = among.items()
        return alias, seen, *seen.columns[name]

    def _column(self, node: Any) -> Phrase:  # noqa: ANN401
        alias, seen, column, _ = self._found(node)
        part = Part(seen.table, column)
        return (f"{quoted(alias)}.", part) if self._view else (part,)

    def kind(self, node: Any) -> Kind | None:  # noqa: ANN401
        """Return the kind of an expression, where that matters and is known."""
        if type(node).__name__ == "ColumnRef":
            return self._found(node)[3]
        if type(node).__name__ == "FuncCall" and _function(node) in _TEXTS:
            return Kind.TEXT
        return None

    def _constant(self, node: Any) -> Phrase:  # noqa: ANN401
        if node.isnull:
            return ("NULL",)
        match type(node.val).__name__:
            case "Integer":
                return (str(node.val.ival),)
            case "Float":
                return (str(node.val.fval),)  # its digits, as the grammar has taken them
            case "String":
                return (literal(node.val.sval),)
            case "Boolean":
                return ("true" if node.val.boolval else "false",)
        raise Refused("it has what is not understood")

    def _like(self, node: Any, other: Any) -> Phrase:  # noqa: ANN401
        """Write `node` so that it can be compared with `other`: 1 is true where that is a flag."""
        value = getattr(getattr(node, "val", None), "ival", None)
        if self.kind(other) is Kind.BOOLEAN and value in (0, 1):
            return ("true" if value else "false",)
        return self.write(node)

    def _junction(self, node: Any) -> Phrase:  # noqa: ANN401
        parts = [self.write(each) for each in node.args]
        if node.boolop.name == "NOT_EXPR":
            return ("(NOT ", *parts[0], ")")
        return _joined(parts, " AND " if node.boolop.name == "AND_EXPR" else " OR ")

    def _null_test(self, node: Any) -> Phrase:  # noqa: ANN401
        if node.argisrow:
            raise Refused("it compares rows")
        word = "IS NULL" if node.nulltesttype.name == "IS_NULL" else "IS NOT NULL"
        return ("(", *self.write(node.arg), f" {word})")

    def _operator(self, node: Any) -> Phrase:  # noqa: ANN401
        name = ".".join(part.sval for part in node.name)
        match node.kind.name:
            case "AEXPR_OP":
                return self._plain(name, node.lexpr, node.rexpr)
            case "AEXPR_IN" if isinstance(node.rexpr, Sequence) and name in _EQUAL:
                self._refuse_anycase(node.lexpr, *node.rexpr)
                among = _joined([self._like(each, node.lexpr) for each in node.rexpr], ", ")
                word = "IN" if name == "=" else "NOT IN"
                return ("(", *self.write(node.lexpr), f" {word} ", *among, ")")
            case "AEXPR_BETWEEN" | "AEXPR_NOT_BETWEEN" as kind:
                low, high = node.rexpr
                low = self._compared(">=", node.lexpr, low)
                high = self._compared("<=", node.lexpr, high)
                both = _joined([low, high], " AND ")
                return both if kind == "AEXPR_BETWEEN" else ("(NOT ", *both, ")")
            case "AEXPR_LIKE" if name in ("~~", "!~~"):
                return self._pattern(name, node)
            case "AEXPR_NULLIF":
                both = _joined([self.write(node.lexpr), self.write(node.rexpr)], ", ")
                return ("nullif", *both)
        raise Refused(f"it uses {name}")

    def _plain(self, name: str, left: Any, right: Any) -> Phrase:  # noqa: ANN401
        if left is None and name in ("-", "+"):
            return (f"({name} ", *self.write(right), ")")
        if left is None:
            raise Refused(f"it uses {name}")
        if name in _EQUAL or name in _ORDERED:
            return self._compared(name, left, right)
        if name not in _ARITHMETIC:
            raise Refused(f"it uses {name}")
        given, other = self._amount(left, name), self._amount(right, name)
        if name in ("/", "%"):  # SQLite's quotient by nothing is null
            other = ("nullif(", *other, ", 0)")
        return ("(", *given, f" {name} ", *other, ")")

    def _amount(self, node: Any, name: str) -> Phrase:  # noqa: ANN401
        """Write a number to reckon with: SQLite reckons in 64 bits."""
        wide = "::bigint" if self.kind(node) in _SMALL and name != "||" else ""
        return (*self.write(node), wide) if wide else self.write(node)

    def _compared(self, name: str, left: Any, right: Any) -> Phrase:  # noqa: ANN401
        self._refuse_anycase(left, right)
        texts = Kind.TEXT in (self.kind(left), self.kind(right))
        # SQLite compares text byte by byte.
        order = ' COLLATE "C"' if texts and name in _ORDERED else ""
        sign = _EQUAL.get(name, name)
        given, other = self._like(left, right), self._like(right, left)
        return ("(", *given, order, f" {sign} ", *other, order, ")")

    def _refuse_anycase(self, *nodes: Any) -> None:  # noqa: ANN401
        for node in nodes:
            if type(node).__name__ == "ColumnRef":
                _, seen, _, kind = self._found(node)
                if seen.anycase and kind is Kind.TEXT:
                    raise Refused("its table has text that is compared regardless of case")

    def _pattern(self, name: str, node: Any) -> Phrase:  # noqa: ANN401
        """Write LIKE, which heeds no case among the letters of ASCII."""
        value = getattr(getattr(node.rexpr, "val", None), "sval", None)
        if value is None or "\\" in value or not value.isascii():
            raise Refused("its pattern is not understood")
        word = "ILIKE" if name == "~~" else "NOT ILIKE"
        return ("(", *self.write(node.lexpr), f" {word} {literal(value)})")

    def _call(self, node: Any) -> Phrase:  # noqa: ANN401
        name = _function(node)
        aggregate = self._view and name in _AGGREGATES
        known = _PURE | (_IN_VIEWS | _AGGREGATES if self._view else {})
        odd = node.agg_order, node.agg_filter, node.over, node.agg_within_group, node.func_variadic
        if name not in known or any(odd) or (node.agg_distinct and not aggregate):
            raise Refused(f"it calls {name}()")
        least, most, called = known[name]
        if node.agg_star and name == "count":
            return ("pg_catalog.count(*)",)
        arguments = [self.write(each) for each in node.args or ()]
        if not least <= len(arguments) <= most:
            raise Refused(f"it calls {name}()")
        inner = _joined(arguments, ", ")
        return (called, "(DISTINCT ", *inner, ")") if node.agg_distinct else (called, *inner)

    def _coalesce(self, node: Any) -> Phrase:  # noqa: ANN401
        return ("coalesce", *_joined([self.write(each) for each in node.args], ", "))

    def _case(self, node: Any) -> Phrase:  # noqa: ANN401
        if node.arg is not None:
            raise Refused("it has what is not understood")
        made: list[str | Part] = ["(CASE"]
        for when in node.args:
            made += [" WHEN ", *self.write(when.expr), " THEN ", *self.write(when.result)]
        if node.defresult is not None:
            made += [" ELSE ", *self.write(node.defresult)]
        return (*made, " END)")


_KNOWN = {
    "SubLink": "it asks another query",
    "TypeCast": "it casts",
    "ParamRef": "it has a parameter",
    "SQLValueFunction": "it depends on who asks, or when",
}


def _function(node: Any) -> str:  # noqa: ANN401
    return ".".join(part.sval for part in node.funcname)


def _joined(parts: Sequence[Phrase], between: str) -> Phrase:
    made: list[str | Part] = ["("]
    for at, part in enumerate(parts):
        made += [between] * bool(at)
        made += part
    return (*made, ")")
