"""MongoDB's Extended JSON, versions 1 and 2: what `mongoexport` writes, as plain values.

https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/
"""

import base64
import binascii
import math
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from myriad.sources.jsonl.records import Broken, Number

MARKS = re.compile(
    rb'"\$(oid|date|numberLong|numberInt|numberDecimal|numberDouble|binary|timestamp|uuid)"\s*:'
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUIDS = ("04", "4")  # subtypes of binary; in 03 each driver had an order of bytes of its own
_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,4})?")


def record(value: dict[str, Any]) -> dict[str, Any]:
    """Return a parsed record with all of its values plain; raises Broken."""
    made = plain(value)
    if type(made) is not dict:
        raise Broken("not an object")
    return made


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a parsed value with what MongoDB writes as an object as the scalar that it is."""
    if type(value) is dict:
        if value and len(value) <= 2 and next(iter(value)).startswith("$"):  # noqa: PLR2004
            return _scalar(value)
        return {key: plain(each) for key, each in value.items()}
    if type(value) is list:
        return [plain(each) for each in value]
    return value


def _scalar(value: dict[str, Any]) -> Any:  # noqa: ANN401
    key, inner = next(iter(value.items()))
    convert = _SCALARS.get(key)
    if convert is None or (len(value) > 1 and key not in {"$binary", "$type", "$regex"}):
        return {name: plain(each) for name, each in value.items()}
    try:
        return convert(inner, value)
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error):
        raise Broken(f"holds a {key} that is none") from None


def _date(inner: Any, _: dict[str, Any]) -> str:  # noqa: ANN401
    if isinstance(inner, dict):
        inner = int(inner["$numberLong"])
    if isinstance(inner, str):  # ISO 8601; version 1 writes +0000
        text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", inner)
        text = text.replace("+00:00", "Z")
        datetime.fromisoformat(text)
        return text
    try:
        moment = _EPOCH + timedelta(milliseconds=int(inner))
    except OverflowError:
        return str(inner)  # beyond the year 9999: the milliseconds since 1970
    return moment.isoformat().replace("+00:00", "Z")


def _binary(inner: Any, whole: dict[str, Any]) -> Any:  # noqa: ANN401
    text, kind = inner, whole.get("$type", "00")
    if isinstance(inner, dict):
        text, kind = inner["base64"], inner.get("subType", "00")
    data = base64.b64decode(text, validate=True)
    return str(uuid.UUID(bytes=data)) if kind in _UUIDS and len(data) == 16 else data  # noqa: PLR2004


def _number(inner: Any, _: dict[str, Any]) -> Any:  # noqa: ANN401
    text = str(inner)
    if not _PLAIN.fullmatch(text):
        number = float(text)  # NaN, Infinity
        return Number(text) if not math.isfinite(number) else text
    return Number(text) if set(text) & set(".eE") else int(text)


def _whole(inner: Any, _: dict[str, Any]) -> int:  # noqa: ANN401
    return int(inner)


def _regex(inner: Any, whole: dict[str, Any]) -> str:  # noqa: ANN401
    if isinstance(inner, dict):
        return f"/{inner['pattern']}/{inner.get('options', '')}"
    return f"/{inner}/{whole.get('$options', '')}"


def _text(inner: Any, _: dict[str, Any]) -> str:  # noqa: ANN401
    if not isinstance(inner, str):
        raise TypeError
    return inner


_SCALARS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "$oid": _text,
    "$date": _date,
    "$binary": _binary,
    "$uuid": _text,
    "$numberInt": _whole,
    "$numberLong": _whole,
    "$numberDouble": _number,
    "$numberDecimal": _number,
    "$symbol": _text,
    "$code": _text,
    "$regularExpression": _regex,
    "$regex": _regex,
    "$undefined": lambda _inner, _whole: None,
    "$minKey": lambda _inner, _whole: "MinKey",
    "$maxKey": lambda _inner, _whole: "MaxKey",
    "$timestamp": lambda inner, _whole: _date(int(inner["t"]) * 1000, {}),
}
