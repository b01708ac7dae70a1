import gc
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from myriad.model import TEXT, Kind, Reject, Type
from myriad.sources.base import BATCH_ROWS, TableSource, TypeMismatch
from myriad.sources.jsonl import records
from myriad.sources.jsonl.source import SAMPLE_CHUNKS, open_jsonl
from tests.source_harness import opened, read, rows, types, why


def source_of(folder: Path, text: str | bytes, name: str = "data.jsonl") -> TableSource:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (source,) = opened(open_jsonl, path)
    return source


def column_of(folder: Path, *values: str) -> tuple[str, list[Any]]:
    """Return the type and values of one column whose JSON values are given."""
    source = source_of(folder, "".join(f'{{"a": {value}}}\n' for value in values))
    found = [value for (value,) in rows(source)]
    source.close()
    return types(source)["a"], found


def test_keys_become_columns_in_order_of_first_appearance(tmp_path: Path) -> None:
    source = source_of(tmp_path, '{"b": 1}\n{"a": "x", "b": 2}\n\n  \n{"c": true}\n')
    assert list(types(source)) == ["b", "a", "c"]
    assert rows(source) == [(1, None, None), (2, "x", None), (None, None, True)]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (("1", "-2"), "bigint", [1, -2]),
        (("100000", "null"), "bigint", [100000, None]),
        (("9223372036854775807",), "bigint", [2**63 - 1]),
        (("12345678901234567890",), "numeric", [Decimal(12345678901234567890)]),
        (("1", "0.10"), "numeric", [Decimal(1), Decimal("0.10")]),
        (("1e3", "0.5"), "double precision", [1000.0, 0.5]),
        (("-0.0", "1.5"), "double precision", [-0.0, 1.5]),
        (("1e400", "1"), "numeric", [str(10**400), "1"]),
        (("1e400", "-0.0"), "text", ["1e400", "-0.0"]),
        (("1e2000", "1"), "text", ["1e2000", "1"]),
        (("12345678901234567890e-1", "NaN"), "text", ["12345678901234567890e-1", "NaN"]),
        (("9" * 40,), "numeric", ["9" * 40]),
        (("9" * 1001,), "text", ["9" * 1001]),
        (("true", "false"), "boolean", [True, False]),
        (("true", "1", '"x"', "1.50"), "text", ["true", "1", "x", "1.50"]),
        (('"5"', '"007"'), "text", ["5", "007"]),
        (('"5"', "5"), "text", ["5", "5"]),
        (('"true"', "true"), "text", ["true", "true"]),
        (('{"x": 1}', "[]", '"s"', "null"), "jsonb", [{"x": 1}, [], "s", None]),
        (("null", "null"), "text", [None, None]),
        (('"2024-02-29"', '"soon"'), "text", ["2024-02-29", "soon"]),
    ],
)
def test_types_are_the_narrowest_that_keep_every_value(
    tmp_path: Path, values: tuple[str, ...], kind: str, expected: list[Any]
) -> None:
    assert column_of(tmp_path, *values) == (kind, expected)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (('"2024-02-29"', '"1999-12-31"'), "date"),
        (('"2024-02-29T10:00:00"', '"2024-02-29 10:00:00.5"'), "timestamp"),
        (('"2024-02-29T10:00:00Z"', '"2024-02-29T10:00:00+02:00"'), "timestamptz"),
        (('"6f1e7f3e-8c5b-4a8e-9a67-0a1b2c3d4e5f"',), "uuid"),
    ],
)
def test_texts_that_are_all_times_or_uuids_become_such(
    tmp_path: Path, values: tuple[str, ...], kind: str
) -> None:
    assert column_of(tmp_path, *values)[0] == kind


def test_an_offset_is_taken_into_account(tmp_path: Path) -> None:
    _, (value,) = column_of(tmp_path, '"2024-02-29T10:00:00+02:00"')
    assert value.isoformat() == "2024-02-29T08:00:00+00:00"


def test_numbers_inside_objects_stay_as_they_were_written(tmp_path: Path) -> None:
    exact = '{"n":[1.10,1e-7,12345678901234567890123,0.1234567890123456789]}'
    source = source_of(tmp_path, f'{{"a":{exact}}}\n')
    (batch,) = source.read([Type(Kind.JSONB)], None)
    assert batch.column(0).to_pylist() == [exact]


def test_a_key_that_first_appears_late_gets_its_column(tmp_path: Path) -> None:
    lines = [json.dumps({"id": number}) for number in range(60_000)]
    lines[50_001] = '{"id": 50001, "late": "here"}'
    source = source_of(tmp_path, "\n".join(lines))
    found = rows(source)
    assert len(found) == 60_000
    assert found[50_001] == (50_001, "here")


def test_a_guess_that_meets_an_unknown_key_or_value_is_a_mismatch(tmp_path: Path) -> None:
    lines = ['{"id": 1}'] * 60_000
    lines[50_001] = '{"id": 1, "late": 1}'
    source = source_of(tmp_path, "\n".join(lines))
    with pytest.raises(TypeMismatch, match="late"):
        read(source)


def test_records_of_as_many_keys_that_are_others_keep_each_value_in_its_column(
    tmp_path: Path,
) -> None:
    source = source_of(tmp_path, '{"a": 1, "b": 2}\n{"b": 3, "a": 4}\n{"b": 5, "c": 6}\n')
    assert list(types(source)) == ["a", "b", "c"]
    assert rows(source) == [(1, 2, None), (4, 3, None), (None, 5, 6)]


@pytest.mark.parametrize("line", ['{"a": 1}', '{"a": }'])
@pytest.mark.parametrize("collects", [True, False])
def test_whoever_reads_records_collects_garbage_as_before(line: str, collects: bool) -> None:  # noqa: FBT001
    (gc.enable if collects else gc.disable)()
    try:
        records.parsed([line.encode()])
        assert gc.isenabled() is collects
    finally:
        gc.enable()


def test_values_that_do_not_fit_a_given_type_are_rejected_with_their_line(tmp_path: Path) -> None:
    source = source_of(tmp_path, '{"a": 1}\n{"a": 70000}\n\n{"a": "x"}\n{"a": 2.5}\n{"a": 3.0}')
    rejects: list[Reject] = []
    assert read(source, [Type(Kind.SMALLINT)], rejects) == [(1,)]
    assert [reject.line for reject in rejects] == [2, 4, 5, 6]
    assert rejects[0].raw == '{"a": 70000}'


BROKEN = [
    (b'{"a": 1, "a": 2}', "twice"),
    (b'{"a": {"b": 1, "b": 2}}', "twice"),
    (b'{"a": }', "not valid JSON"),
    (b'{"a": 1} x', "more text"),
    (b"[1]", "not an object"),
    (b"17", "not an object"),
    (b'{"a": "x\\u0000y"}', "u0000"),
    (b'{"a": [{"\\u0000": 1}]}', "u0000"),
    (b'{"a": "\\ud800"}', "surrogate"),
    (b'{"a": "\xff"}', "UTF-8"),
    (b'{"a": 1e20000}', "digits"),
    (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
]


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_a_broken_line_stops_the_publish_and_is_named(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    source = source_of(tmp_path, b'\xef\xbb\xbf{"a": "x"}\n\n' + line + b'\n{"a": "y"}\n')
    with pytest.raises(SourceError, match=rf"line 3: .*{reason}"):
        read(source)


def test_broken_lines_are_rejected_and_all_others_read(tmp_path: Path) -> None:
    lines = [b'{"a": "x"}']
    for line, _ in BROKEN:
        lines += [line, b'{"a": "y"}']
    source = source_of(tmp_path, b"\r\n".join(lines))
    rejects: list[Reject] = []
    assert len(read(source, rejects=rejects)) == len(BROKEN) + 1
    assert [reject.line for reject in rejects] == [2 * n for n in range(1, len(BROKEN) + 1)]
    for reject, (line, reason) in zip(rejects, BROKEN, strict=True):
        assert reason in reject.reason
        assert line.decode("utf-8", "backslashreplace")[:10_000] in reject.raw


def test_an_escaped_backslash_before_u0000_is_just_text(tmp_path: Path) -> None:
    assert column_of(tmp_path, r'"\\u0000"') == ("text", [r"\u0000"])


def test_a_huge_line_is_rejected_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n{"a": "' + b"x" * (20 << 20) + b'"}\n{"a": 2}\n')
    (source,) = opened(open_jsonl, path, memory_mb=64)
    rejects: list[Reject] = []
    assert read(source, rejects=rejects) == [(1,), (2,)]
    assert (rejects[0].line, len(rejects[0].raw) < 20_000) == (2, True)
    assert "longer than" in rejects[0].reason


def test_big_lines_come_in_small_batches(tmp_path: Path) -> None:
    line = json.dumps({"a": "x" * 1_000_000})
    source = source_of(tmp_path, "\n".join([line] * 12))
    sizes = [batch.num_rows for batch in source.read([TEXT], None)]
    assert sum(sizes) == 12
    assert max(sizes) <= 5


def test_one_array_of_objects_is_read_like_lines(tmp_path: Path) -> None:
    records = [{"id": n, "name": f"ä{n}", "tags": [n]} for n in range(30_000)]
    source = source_of(tmp_path, json.dumps(records, indent=1, ensure_ascii=False), "d.json")
    assert types(source) == {"id": "bigint", "name": "text", "tags": "jsonb"}
    assert rows(source) == [(r["id"], r["name"], r["tags"]) for r in records]
    assert source.progress() == 1.0


def test_a_broken_element_of_an_array_is_rejected_with_its_line(tmp_path: Path) -> None:
    source = source_of(tmp_path, '[\n{"a": 1},\n{"a": 2, "a": 3},\n7,\n{"a": 4}\n]\n', "d.json")
    rejects: list[Reject] = []
    assert read(source, rejects=rejects) == [(1,), (4,)]
    assert [reject.line for reject in rejects] == [3, 4]


@pytest.mark.parametrize(
    "text", ['[{"a": 1}', '[{"a": 1},]', '[{"a": 1}] 2', '[{"a": 1} {"a": 2}]']
)
def test_an_array_that_breaks_off_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="line 1"):
        source_of(tmp_path, text, "d.json")


@pytest.mark.parametrize("text", ["", "\n \n", "[]", "\ufeff"])
def test_a_file_without_a_record_is_empty(tmp_path: Path, text: str) -> None:
    told = "there is no record in it" if text else "the file is empty"
    with pytest.raises(SourceError, match=told):
        source_of(tmp_path, text)


def test_records_without_a_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no record"):
        source_of(tmp_path, "{}\n{}\n")


def test_too_many_keys_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="1,600"):
        source_of(tmp_path, "\n".join(f'{{"k{n}": 1}}' for n in range(2_000)))


def test_the_report_says_why(tmp_path: Path) -> None:
    source = source_of(tmp_path, '{"a": 1, "b": 1.5}\n{"a": "x", "b": 2}\n')
    assert why(source, "a") == "mixed: 1 whole number, 1 text; first text: 'x' in line 2"
    assert why(source, "b") == "decimals with up to 1 place, exact"


LONE: Mapping[str, tuple[list[str], str]] = {
    "a text among numbers": (
        ["1", "2", '"n/a"', '"n/a"', "3"],
        "mixed: 3 whole numbers, 2 texts; first text: 'n/a' in line 3",
    ),
    "an object among texts": (
        ['"a"', '{"b": 1}', '"c"'],
        "2 texts, 1 object; first object: '{\"b\":1}' in line 2",
    ),
    "a word among dates": (
        ['"2024-01-01"', '"2024-01-02"', '"soon"', '"later"', '"2024-01-03"'],
        "text; dates (ISO 8601) but for the first 'soon' in line 3",
    ),
    "words, and one is a date": (['"a"', '"2024-01-01"', '"b"'], "text"),
    "a long value": (
        ["1", f'"{"x" * 100}"'],
        f"mixed: 1 whole number, 1 text; first text: '{'x' * 40}' in line 2",
    ),
}


@pytest.mark.parametrize(("values", "said"), LONE.values(), ids=LONE)
@pytest.mark.parametrize("name", ["data.jsonl", "data.json"])
def test_the_reason_names_the_first_value_that_is_of_another_kind_and_its_line(
    tmp_path: Path, values: list[str], said: str, name: str
) -> None:
    records = [f'{{"a": {value}}}' for value in values]
    text = "\n".join(records) if name == "data.jsonl" else "[" + ",\n".join(records) + "]"
    source = source_of(tmp_path, text, name)
    assert why(source, "a") == said
    source.prove()
    assert why(source, "a") == said


def test_a_line_that_nobody_counted_is_not_named(tmp_path: Path) -> None:
    """Pieces from all over a large file say what is there, and not where; the proof does."""
    before, long = BATCH_ROWS * SAMPLE_CHUNKS, "x" * 1000
    lines = ['{"a": 1}'] * before + [f'{{"a": "late", "b": "{long}"}}'] * 4000
    source = source_of(tmp_path, "\n".join(lines))
    assert why(source, "a").endswith("; first text: 'late'")
    source.prove()
    assert why(source, "a").endswith(f"; first text: 'late' in line {before + 1}")


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a":[{}', "{}]}", '{"a":1},{"a":2}'],
        ['{"a":[{}', "{}]}", '{"a":1},"x",{"a":2}'],
        ['{"a":1', '"b":2}', '{"a":3}{"a":4}'],
        ['{"a":"x', 'y"}', '{"a":1},0,{"a":2}'],
        ['[{"a":1}', '{"a":2}]'],
        ['{"a":1}]', '[{"a":2}'],
        ["{}],[{}", '{"a":1}'],
    ],
)
def test_lines_that_are_whole_only_together_are_rejects_each(
    lines: list[str], tmp_path: Path
) -> None:
    sound = '{"a": 1}\n'
    source = source_of(tmp_path, sound + "\n".join(lines) + "\n" + sound)
    rejects: list[Reject] = []
    whole = sum(line == '{"a":1}' for line in lines)
    assert len(read(source, rejects=rejects)) == 2 + whole
    assert len(rejects) == len(lines) - whole
    assert [reject.raw for reject in rejects] == [line for line in lines if line != '{"a":1}']
