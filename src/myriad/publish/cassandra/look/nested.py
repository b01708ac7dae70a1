"""Nested JSON as CQL's own types: what all values of a column have in common.

A list, set, map, tuple or UDT is chosen only where every value comes back from it as it was; else
the column stays JSON text. All are frozen: one cell, so that loading leaves no tombstones, and an
empty one is not null.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

from myriad.cql.types import CqlType
from myriad.publish import naming
from myriad.sources.jsonl.records import Number
from myriad.sources.jsonl.types import is_double

TEXT = CqlType("text")
DEPTH = 16
MOST_FIELDS = 64
FEW_FIELDS = 8
DENSE = 0.25  # share of a UDT's fields that its values have, on average
TUPLE = range(2, 9)
MOST_KEYS = 1000
SET_EVIDENCE = 20  # arrays of two and more that are sorted and without repetition
NAME_LENGTH = 48
EXACT = 2**53  # whole numbers that every double holds


def parse(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return parsed JSON; numbers with a point or exponent stay text."""
    return json.loads(text, parse_float=Number)


class NotNested(Exception):
    """The values have no type in common; the message says why."""


@dataclass
class Shape:
    """What is known of all values at one place; `look` adds one.

    Attributes:
        kinds: how many values of each Python type.
        exponents: a number has one, or is a negative zero: only a double keeps it.
        ascending: the elements of every array are sorted and each there once.
        several: how many arrays have two elements or more.
        positions: shapes by position, of arrays that could be tuples.
        element: of all elements of all arrays; `value` of all values of all objects.
        fields: by key, of objects.
    """

    depth: int = 0
    kinds: Counter[type] = field(default_factory=Counter)
    low: int = 0
    high: int = 0
    exponents: bool = False
    doubles: bool = True
    lengths: set[int] = field(default_factory=set)
    ascending: bool = True
    several: int = 0
    element: "Shape | None" = None
    positions: "list[Shape]" = field(default_factory=list)
    fields: "dict[str, Shape]" = field(default_factory=dict)
    value: "Shape | None" = None
    crowded: bool = False

    def look(self, given: Any) -> None:  # noqa: ANN401 - JSON
        """Take in one more value; raises NotNested if it is nested too deep."""
        kind = type(given)
        self.kinds[kind] += 1
        if kind is int:
            self.low, self.high = min(self.low, given), max(self.high, given)
        elif kind is Number:
            negative_zero = given.startswith("-") and float(given) == 0
            self.exponents = self.exponents or "e" in given.lower() or negative_zero
            self.doubles = self.doubles and is_double(given)
        elif kind is list:
            self._look_at_array(given)
        elif kind is dict:
            self._look_at_object(given)

    def _inner(self) -> "Shape":
        if self.depth >= DEPTH:
            raise NotNested(f"nested deeper than {DEPTH}")
        return Shape(self.depth + 1)

    def _look_at_array(self, given: list[Any]) -> None:
        self.element = self.element or self._inner()
        for one in given:
            self.element.look(one)
        if len(given) > 1:
            self.several += 1
            self.ascending = self.ascending and _ascending(given)
        if len(self.lengths) < 2:  # noqa: PLR2004 - with two lengths it is no tuple
            self.lengths.add(len(given))
            if self.lengths == {len(given)} and len(given) in TUPLE:
                self.positions = self.positions or [self._inner() for _ in given]
                for shape, one in zip(self.positions, given, strict=True):
                    shape.look(one)

    def _look_at_object(self, given: dict[str, Any]) -> None:
        self.value = self.value or self._inner()
        for key, one in given.items():
            self.value.look(one)
            if key not in self.fields and len(self.fields) >= MOST_KEYS:
                self.crowded = True
                continue
            self.fields.setdefault(key, self._inner()).look(one)


def _ascending(given: list[Any]) -> bool:
    kind = type(given[0])
    if kind not in (str, int) or any(type(one) is not kind for one in given):
        return False
    # Cassandra sorts text by its bytes in UTF-8, as Python does by code points.
    return all(one < two for one, two in pairwise(given))


@dataclass(frozen=True)
class Decided:
    """A type, why, and what turns parsed JSON into what `cql.values.encode` takes."""

    type: CqlType
    why: str
    convert: Callable[[Any], Any]


def infer(texts: Iterable[str | None], keyspace: str, name: str) -> Decided:
    """Return the type that all JSON texts fit; UDTs are named after `name`.

    Raises NotNested with the reason if there is none but text.
    """
    shape = Shape()
    for text in texts:
        if text is not None:
            shape.look(parse(text))
    if not set(shape.kinds) <= {list, dict}:
        raise NotNested(f"mixed: {_named(shape)}")
    return decide(shape, keyspace, name)


def refuse_same_names(kinds: Sequence[CqlType]) -> None:
    """Raise NotNested if two of these UDTs have one name."""
    names = [kind.udt for kind in kinds]
    if len(names) > len(set(names)):
        raise NotNested("the types for its objects would have the same names")


def decide(shape: Shape, keyspace: str, name: str) -> Decided:
    """Return the type that all values of `shape` but null fit; raises NotNested."""
    kinds = set(shape.kinds) - {type(None)}
    if not kinds:
        return Decided(TEXT, "no values", str)
    if kinds <= {int, Number}:
        return _number(shape)
    if len(kinds) > 1:
        raise NotNested(f"mixed: {_named(shape)}")
    match kinds.pop():
        case kind if kind is bool:
            return Decided(CqlType("boolean"), "true or false", bool)
        case kind if kind is str:
            return Decided(TEXT, "text", str)
        case kind if kind is list:
            return _array(shape, keyspace, name)
        case _:
            return _object(shape, keyspace, name)


_LABELS: dict[type, str] = {
    bool: "true or false",
    int: "whole numbers",
    Number: "decimals",
    str: "texts",
    dict: "objects",
    list: "arrays",
    type(None): "nulls",
}


def _named(shape: Shape) -> str:
    return ", ".join(f"{count} {_LABELS[kind]}" for kind, count in shape.kinds.most_common())


def _number(shape: Shape) -> Decided:
    if Number not in shape.kinds:
        small = shape.low >= -(2**63) and shape.high < 2**63
        return Decided(CqlType("bigint" if small else "varint"), "whole numbers", int)
    if shape.exponents:
        if not shape.doubles or max(-shape.low, shape.high) > EXACT:
            raise NotNested("numbers with exponents that no number type holds exactly")
        return Decided(CqlType("double"), "decimals with exponents", float)
    return Decided(CqlType("decimal"), "decimals, exact", lambda given: Decimal(str(given)))


def _array(shape: Shape, keyspace: str, name: str) -> Decided:
    element = shape.element or Shape()
    if type(None) not in element.kinds:
        try:
            inner = decide(element, keyspace, name)
        except NotNested as error:
            return _tuple(shape, keyspace, name, str(error))
        unique = shape.ascending and shape.several >= SET_EVIDENCE
        kind = "set" if unique and inner.type.name in ("text", "bigint", "varint") else "list"
        chosen = CqlType(kind, (inner.type,), frozen=True)
        why = f"JSON arrays of {inner.why}" + (", sorted, each once" if kind == "set" else "")
        return Decided(chosen, why, lambda given: [inner.convert(one) for one in given])
    return _tuple(shape, keyspace, name, "a null in an array, which a list cannot hold")


def _tuple(shape: Shape, keyspace: str, name: str, why_not: str) -> Decided:
    if len(shape.lengths) != 1 or not shape.positions:
        raise NotNested(f"arrays: {why_not}")
    parts = [
        decide(part, keyspace, f"{name}_{number}") for number, part in enumerate(shape.positions, 1)
    ]

    def convert(given: list[Any]) -> list[Any]:
        pairs = zip(parts, given, strict=True)
        return [None if one is None else part.convert(one) for part, one in pairs]

    kinds = tuple(part.type for part in parts)
    why = f"JSON arrays of always {len(parts)}"
    return Decided(CqlType("tuple", kinds, frozen=True), why, convert)


def _object(shape: Shape, keyspace: str, name: str) -> Decided:
    if not shape.fields or not _like_records(shape):
        return _map(shape, keyspace, name)
    count = shape.kinds[dict]
    fields: dict[str, Decided] = {}
    for key, inner in shape.fields.items():
        nulls, missing = inner.kinds[type(None)], count - inner.kinds.total()
        if nulls and missing:
            raise NotNested(f"objects: {key!r} is null in {nulls} and missing in {missing}")
        fields[key] = decide(inner, keyspace, f"{name}_{naming.snake(key)}")
    nulls_of = {key for key, inner in shape.fields.items() if inner.kinds[type(None)]}

    def convert(given: dict[str, Any]) -> list[Any]:
        return [
            None if given.get(key) is None else one.convert(given[key])
            for key, one in fields.items()
        ]

    kinds = tuple(one.type for one in fields.values())
    chosen = CqlType("udt", kinds, tuple(fields), keyspace, _type_name(name), frozen=True)
    why = f"JSON objects with {len(fields)} keys"
    return Decided(chosen, why + (", where null is missing" if nulls_of else ""), convert)


def _like_records(shape: Shape) -> bool:
    """Say whether the objects look like records of one kind, not like tables of names."""
    if shape.crowded or len(shape.fields) > MOST_FIELDS:
        return False
    if not all(key.isidentifier() and len(key) <= NAME_LENGTH for key in shape.fields):
        return False
    there = sum(inner.kinds.total() for inner in shape.fields.values())
    return len(shape.fields) <= FEW_FIELDS or there >= DENSE * len(shape.fields) * shape.kinds[dict]


def _map(shape: Shape, keyspace: str, name: str) -> Decided:
    value = shape.value or Shape()
    if value.kinds[type(None)]:
        raise NotNested("objects: a null in an object of many keys, which a map cannot hold")
    inner = decide(value, keyspace, name)

    def convert(given: dict[str, Any]) -> dict[str, Any]:
        return {key: inner.convert(given[key]) for key in sorted(given)}

    chosen = CqlType("map", (TEXT, inner.type), frozen=True)
    return Decided(chosen, f"JSON objects of many keys, with {inner.why}", convert)


def _type_name(name: str) -> str:
    return naming.snake(name).encode("ascii", "ignore").decode()[-NAME_LENGTH:]
