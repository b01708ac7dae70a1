"""The quick test, which lets plain texts pass without a look at every node."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pglast import parser

from myriad.door.verdict import verdict as module
from myriad.door.verdict.verdict import Verdict, analyse

HARMLESS = frozenset(("count", "extract", "now"))


def look(text: str) -> Verdict:
    return analyse(text, HARMLESS)


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_quick_test_sees_the_parsers_words_only(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    name = '"' + (text.replace('"', '""') or "x") + '"'
    parsed = parser.parse_sql_json(f"SELECT {literal} AS {name}, t.{name} FROM {name} AS t")
    found = set(re.findall(module.KEY, parsed))
    assert found == keys(json.loads(parsed))
    assert found <= module.PLAIN_KEYS


@pytest.mark.parametrize(
    "text",
    [
        '","FuncCall":{"',
        '\\","FuncCall":',
        '"FuncCall":',
        "\\",
        '\\"',
        '"',
        '":"',
        "\x01\n\t\x7f é",
    ],
)
def test_strings_cannot_look_like_nodes(text: str) -> None:
    assert look(f"SELECT '{text}'").plain
    assert look("SELECT $1, '" + text + "', set_config('role', 'x', false)").refusal


def test_frequent_texts_need_no_thorough_look() -> None:
    for text in (
        "SELECT count(*) FROM t WHERE a = $1 AND b > 5 AND c <= 6 AND d <> 7 ORDER BY e LIMIT 10",
        "SELECT a->>'b', c #>> '{d}', e @> f, g <@ h, i ~* 'j' FROM t JOIN u USING (k)",
        "SELECT current_date - 1, now() - interval '1 day', extract(year FROM l) FROM t FOR UPDATE",
        "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = excluded.a RETURNING a",
    ):
        assert module.quick(parser.parse_sql_json(text), HARMLESS), text
