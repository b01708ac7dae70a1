"""Columns keep the form in which their numbers are written, whatever a later file leaves open."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from myriad.errors import UsageError
from myriad.model import TEXT, Column, Key, Kind, Type
from myriad.publish import lasting, recipes
from myriad.publish.cassandra import existing
from myriad.publish.options import Options
from myriad.sources.base import Workspace, misfit
from myriad.sources.typing import values

POINT, COMMA = "1234.5", "1234,5"
WAYS = ("kept", "asked for")
DOUBT = (COMMA, POINT)
NUMBER = Type(Kind.NUMERIC, 18, 2)
DECIMALS = (NUMBER, replace(NUMBER, declared=True), Type(Kind.REAL), Type(Kind.DOUBLE))


def written(form: str) -> Column:
    return Column("p", "p", replace(NUMBER, format=form), places=2, digits=1)


def later(there: Type, form: str, way: str, *, strict: bool = True) -> Column:
    if way == "asked for":
        return lasting.as_asked(written(form), replace(there, format=""), there, strict=strict)
    return lasting.as_there(written(form), there, strict=strict)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("there", DECIMALS, ids=str)
@pytest.mark.parametrize(("before", "now"), [("", COMMA), (COMMA, ""), (COMMA, POINT)])
def test_decimals_are_read_in_the_form_of_before_in_both_directions(
    there: Type, before: str, now: str, way: str
) -> None:
    kept = later(replace(there, format=before), now, way)
    assert kept.type.format == before
    assert kept.order in ("", before)


@pytest.mark.parametrize("wanted", ["decimal", "double", "float"])
@pytest.mark.parametrize(("before", "now"), [("", COMMA), (COMMA, "")])
def test_so_are_those_of_cassandra(wanted: str, before: str, now: str) -> None:
    there = existing.Existing({"p": wanted}, Key(("id",)), "")
    formats = {"p": before} if before else {}
    found = existing.arriving(there, [written(now)], formats, exactly=True)
    assert found["p"].format == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("unit", ["€", "%"])
def test_a_unit_is_another_form_than_plain_numbers(unit: str, way: str) -> None:
    assert later(NUMBER, f"{POINT} {unit}", way).type.format == ""


@pytest.mark.parametrize("way", WAYS)
def test_thousands_beside_a_point_are_taken_by_plain_decimals(way: str) -> None:
    assert later(NUMBER, POINT, way).type.format == POINT


def test_whole_numbers_may_get_either_mark() -> None:
    assert later(Type(Kind.BIGINT), COMMA, "kept").type.format == COMMA


def test_another_type_that_is_asked_for_keeps_the_form_of_before() -> None:
    doubt = Column("p", "p", TEXT, forms=DOUBT, places=3, digits=1)
    there = Type(Kind.BIGINT, format=COMMA)
    assert lasting.as_asked(doubt, NUMBER, there, strict=True).type.format == COMMA


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("before", "now"), [("", COMMA), (COMMA, ""), (COMMA, POINT)])
def test_a_change_that_is_allowed_leaves_nothing_of_the_form_of_before(
    before: str, now: str, way: str
) -> None:
    kept = later(replace(NUMBER, format=before), now, way, strict=False)
    assert (kept.type.format or kept.order) == now


def test_numbers_that_are_none_of_text_are_never_read_in_a_form(tmp_path: Path) -> None:
    encoder = values.encoder(Workspace(tmp_path, 150))
    kind = Type(Kind.NUMERIC, 18, 2, format=COMMA)
    try:
        found = encoder.encode([1.125, 2.5], kind)
    finally:
        encoder.close()
    assert list(found.misfits) == [0]
    assert found.array[1] == pa.scalar("2.50").cast(pa.decimal128(18, 2))


def test_the_report_gives_no_reason_that_the_kept_form_makes_untrue() -> None:
    untrue = Column("p", "p", TEXT, why="1 of 2 are decimals, 1 is not")
    there = replace(NUMBER, format=COMMA)
    assert lasting.as_there(untrue, there, strict=True).why == "as before, written 1234,5"
    true = replace(untrue, why="1 of 2 is not, such as 'x'", forms=(COMMA,))
    assert lasting.as_there(true, there, strict=True).why.endswith("such as 'x'")


def test_what_does_not_fit_is_told_how_the_column_is_written() -> None:
    assert misfit("p", replace(NUMBER, format=COMMA)).endswith("fit numeric, written 1234,5")
    assert lasting.described(NUMBER) == "numeric, with a point before decimals"


@pytest.mark.parametrize("kind", ["varchar(5)", "VARCHAR (0)", "char(1)", "character varying(9)"])
def test_a_limited_length_is_refused_and_the_hint_has_the_type_that_there_is(kind: str) -> None:
    with pytest.raises(UsageError, match="limits no column's length") as refused:
        Options(types={"code": kind})
    assert "--type code=text" in refused.value.hint
    with pytest.raises(UsageError, match="limits no column's length"):
        recipes.told(f"type=code={kind}")


@pytest.mark.parametrize("kind", ["money", "interval", "timestamp(0)"])
def test_a_type_that_there_is_none_is_refused_with_those_that_there_are(kind: str) -> None:
    with pytest.raises(UsageError, match="makes no columns of such a type") as refused:
        Options(types={"code": kind})
    assert all(str(kind) in refused.value.hint for kind in Kind)
