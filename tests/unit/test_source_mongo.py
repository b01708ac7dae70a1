"""Each type of MongoDB's, in its files and in every way in which mongoexport writes it."""

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import json_util

from tests.apart import stay_here, table
from tests.every_format import dumped
from tests.hard_case import shown

AT = dt.datetime(2024, 2, 29, 13, 14, 15, 250_000, tzinfo=dt.UTC)
OID = "65a1b2c3d4e5f60718293a4b"
ID = uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")
# What there is in a document → its values, the column's type and values.
VALUES: dict[str, tuple[list[Any], str, list[Any]]] = {
    "ids": ([bson.ObjectId(OID), None], "text", [OID, None]),
    "texts": (["a", "é 漢字 🎉", "", None], "text", ["a", "é 漢字 🎉", "", None]),
    "whole numbers": ([1, -(2**31), None], "bigint", [1, -(2**31), None]),
    "long numbers": ([bson.Int64(2**62), bson.Int64(-1)], "bigint", [2**62, -1]),
    "doubles": ([0.5, 1e300], "double precision", [0.5, 1e300]),
    "decimals": (
        [bson.Decimal128("1.10"), bson.Decimal128("-7")],
        "numeric",
        [Decimal("1.10"), Decimal("-7.00")],
    ),
    "flags": ([True, False, None], "boolean", [True, False, None]),
    "moments": ([AT, None], "timestamptz", [AT, None]),
    "a moment before all others": (
        [AT.replace(year=1904)],
        "timestamptz",
        [AT.replace(year=1904)],
    ),
    "bytes": ([b"\0\xff", b"", None], "bytea", [b"\0\xff", b"", None]),
    "ids of 16 bytes": ([bson.Binary.from_uuid(ID), None], "uuid", [ID, None]),
    "times of the log": (
        [bson.Timestamp(1704164645, 1)],
        "timestamptz",
        [dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)],
    ),
    "objects": ([{"b": 1}, {}], "jsonb", [{"b": 1}, {}]),
    "objects with moments": (
        [{"at": AT.replace(microsecond=0)}],
        "jsonb",
        [{"at": "2024-02-29T13:14:15Z"}],
    ),
    "lists": ([[1, "a", None], []], "jsonb", [[1, "a", None], []]),
    "numbers and texts": ([1, "a"], "text", ["1", "a"]),
}
Documents = list[dict[str, Any]]


def _exported(options: Any) -> Callable[[Documents], bytes]:
    def make(documents: Documents) -> bytes:
        lines = (json_util.dumps(each, json_options=options) + "\n" for each in documents)
        return "".join(lines).encode()

    return make


FORMS: dict[str, tuple[str, Callable[[Documents], bytes]]] = {
    "BSON": ("t.bson", lambda documents: b"".join(map(bson.encode, documents))),
    "archive": ("t.archive", lambda documents: dumped(("t", documents))),
    "canonical": ("t.json", _exported(json_util.CANONICAL_JSON_OPTIONS)),
    "relaxed": ("t.json", _exported(json_util.RELAXED_JSON_OPTIONS)),
    "version 1": ("t.json", _exported(json_util.LEGACY_JSON_OPTIONS)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", VALUES)
def test_a_value_of_mongodb_is_the_same_however_it_is_written(
    what: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    values, wanted, become = VALUES[what]
    name, make = FORMS[form]
    documents = [{"n": number, "a": value} for number, value in enumerate(values)]
    (path := tmp_path / name).write_bytes(make(documents))
    kinds, found = table(path, tmp_path / "w")
    assert kinds == {"n": "bigint", "a": wanted}
    assert shown([row[1:] for row in found]) == shown([(value,) for value in become])
