"""Nested Arrow values as JSON text: whole columns at once, every number exactly as it is.

Bytes become base64, times ISO 8601, NaN and infinities strings. A map becomes an object.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from myriad.sources.typing.values import Values

Texts = list[str | None]
_OUT_OF_RANGE = r"^<value out of range: (-?\d+)>$"  # years beyond 32,767 either way
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# `json.dumps` with its C speed; it writes text as it is, not as ASCII.
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def json_texts(array: Values) -> Texts:
    """Return each value as JSON, None for null; two equal keys of a map stay two."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return json_texts(array.storage)
    if pa.types.is_dictionary(kind):
        return json_texts(array.dictionary_decode())  # type: ignore[attr-defined]  # kind says so
    if pa.types.is_struct(kind):
        return _structs(array)
    if pa.types.is_map(kind):
        return _maps(array)
    if _is_list(kind):
        return _lists(array)
    return _leaves(array)


def is_nested(kind: pa.DataType) -> bool:
    """Say whether values of `kind` have parts."""
    return pa.types.is_struct(kind) or pa.types.is_map(kind) or _is_list(kind)


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names of a struct's fields; the second `a` becomes `a_2`, so that none is lost."""
    made: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in made:
            number += 1
            candidate = f"{name}_{number}"
        made.append(candidate)
    return made


def _structs(array: Any) -> Texts:  # noqa: ANN401 - the stubs have a class for each type
    kind = array.type
    names = [_quoted(name) for name in unique_names([field.name for field in kind])]
    # `field` disregards the array's own offset and nulls, `flatten` applies them.
    columns = [json_texts(part) for part in array.flatten()]
    rows = zip(*columns, strict=True) if columns else ((),) * len(array)
    return [
        "{" + ",".join(f"{name}:{_or_null(v)}" for name, v in zip(names, row, strict=True)) + "}"
        if valid
        else None
        for row, valid in zip(rows, array.is_valid().to_pylist(), strict=True)
    ]


def _lists(array: Any) -> Texts:  # noqa: ANN401
    items = iter(json_texts(array.flatten()))
    lengths = pc.list_value_length(array).to_pylist()
    return [
        None if n is None else "[" + ",".join(_or_null(next(items)) for _ in range(n)) + "]"
        for n in lengths
    ]


def _maps(array: Any) -> Texts:  # noqa: ANN401
    offsets = array.offsets.to_pylist()
    keys = _keys(array.keys[offsets[0] : offsets[-1]])
    items = json_texts(array.items[offsets[0] : offsets[-1]])
    pairs = [f"{key}:{_or_null(item)}" for key, item in zip(keys, items, strict=True)]
    return [
        "{" + ",".join(pairs[begin - offsets[0] : end - offsets[0]]) + "}" if valid else None
        for begin, end, valid in zip(
            offsets[:-1], offsets[1:], array.is_valid().to_pylist(), strict=True
        )
    ]


def _keys(array: Values) -> list[str]:
    """Return map keys as JSON strings, whatever they are."""
    texts = (_or_null(text) for text in json_texts(array))
    return [text if text.startswith('"') else _quoted(text) for text in texts]


def _or_null(text: str | None) -> str:
    return "null" if text is None else text


def _leaves(array: Values) -> Texts:
    kind = array.type
    if pa.types.is_null(kind):
        return [None] * len(array)
    if is_bytes(kind):
        coded = (None if v is None else base64.b64encode(v).decode() for v in array.to_pylist())
        return [None if text is None else _quoted(text) for text in coded]
    if pa.types.is_float16(kind):
        array = array.cast(pa.float32())
    convert: Callable[[Any], str] = _quoted
    if pa.types.is_floating(kind):
        convert = _float
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        convert = str
    texts = plain_texts(array).to_pylist()
    return [None if text is None else convert(text) for text in texts]


def plain_texts(array: Values) -> "pa.StringArray":
    """Return scalars as Arrow writes them; a time beyond its calendar is the bare number."""
    texts = array.cast(pa.string())
    if pa.types.is_temporal(array.type):
        texts = pc.replace_substring_regex(texts, _OUT_OF_RANGE, r"\1")
    return cast("pa.StringArray", texts)


def is_bytes(kind: pa.DataType) -> bool:
    """Say whether values of `kind` are bytes."""
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _float(text: str) -> str:
    named = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return _quoted(named[text]) if text in named else text


def problem(text: str) -> str:
    """Return why jsonb cannot keep this JSON as it is; empty if it can."""
    if _NUL.search(text):
        return "holds a NUL character, which Myriad takes into neither engine"
    twice = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal twice
        twice = twice or len({key for key, _ in pairs}) < len(pairs)

    json.loads(text, object_pairs_hook=look)
    return "holds a map with a key twice, of which jsonb would lose one" if twice else ""
