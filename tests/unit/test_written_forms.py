"""Numbers, dates and flags as people write them: they come back exactly, or stay text."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.model import TEXT, Kind, Type
from myriad.sources.base import Workspace
from myriad.sources.options import Said
from myriad.sources.typing import all_forms, casts, duck, text_columns
from myriad.sources.typing.text_columns import Finding
from tests.examples import examples

Column = Sequence[str | None]
D = Decimal
at = datetime.fromisoformat


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with duck.connect(Workspace(tmp_path_factory.mktemp("duck"), 150)) as connection:
        connection.execute("SET preserve_insertion_order = true; SET threads = 1")
        yield connection


def guessed(
    con: duckdb.DuckDBPyConnection, *columns: Column, said: Said | None = None
) -> list[Finding]:
    names = [f"c{number}" for number in range(len(columns))]
    fields = ", ".join(f"{name} VARCHAR" for name in names)
    con.execute(f"CREATE OR REPLACE TABLE probe (place INTEGER, {fields})")
    rows = list(enumerate(zip(*columns, strict=True)))
    marks = ", ".join("?" for _ in range(len(columns) + 1))
    con.executemany(f"INSERT INTO probe VALUES ({marks})", [(at, *row) for at, row in rows])
    return text_columns.guess(con, "probe", names, said=said)


def arrived(con: duckdb.DuckDBPyConnection, finding: Finding, column: int = 0) -> list[Any]:
    """Return the values as they are loaded; all of them must fit."""
    name = f"c{column}"
    relation = casts.without({name: finding.nulls}, "probe")
    query = casts.values([name], [finding.type], relation, "place")
    rows = con.execute(f"SELECT v0, wrong FROM ({query}) ORDER BY place").fetchall()
    assert all(wrong == 0 for _, wrong in rows), finding
    return [value for value, _ in rows]


WRITTEN: dict[str, tuple[list[str | None], str, list[Any]]] = {
    "decimal comma": (["12,50", "-0,5", None, "7"], "1234,5", [D("12.50"), D("-0.5"), None, D(7)]),
    "a comma and thousands": (["1.234,50", "12"], "1234,5", [D("1234.50"), D(12)]),
    "a point and thousands": (["1,234.50", "0.25"], "1234.5", [D("1234.50"), D("0.25")]),
    "thousands twice": (["1,234,567", "12"], "1234.5", [1_234_567, 12]),
    "thousands by points twice": (["1.234.567", "999"], "1234,5", [1_234_567, 999]),
    "thousands by spaces": (["1 234", "12 345 678"], "1234.5", [1234, 12_345_678]),
    "by narrow spaces": (["1\u202f234,5", "1\xa0000,5"], "1234,5", [D("1234.5"), D("1000.5")]),
    "by apostrophes": (["1'234.50", "2\u2019000.00"], "1234.5", [D("1234.50"), D(2000)]),
    "a sign before": (["€ 1.234,50", "-€12,00"], "1234,5 €", [D("1234.50"), D("-12.00")]),
    "a sign behind": (["1.234,50 €", "-12,00€"], "1234,5 €", [D("1234.50"), D("-12.00")]),
    "a code": (["CHF 1'234.50", "CHF 12.00"], "1234.5 CHF", [D("1234.50"), D(12)]),
    "a sign of letters": (["12,50 zł", "3,00 zł"], "1234,5 zł", [D("12.50"), D(3)]),
    "percent": (["7.5%", "12 %", "-3%"], "1234.5 %", [D("7.5"), D(12), D(-3)]),
    "a trailing minus": (["61.07-", "5.50"], "1234.5", [D("-61.07"), D("5.50")]),
    "brackets": (["(45.00)", "1.25"], "1234.5", [D("-45.00"), D("1.25")]),
    "brackets around a sign": (["($1,245.00)", "$ (3.50)"], "1234.5 $", [D(-1245), D("-3.50")]),
    "a minus sign": (["\N{MINUS SIGN}4,5", "4,5"], "1234,5", [D("-4.5"), D("4.5")]),
    "more than a bigint": (["9.223.372.036.854.775.808"], "1234,5", [2**63]),
    "unpadded": (["1/31/2024", "12/1/2024"], "%m/%d/%Y", [date(2024, 1, 31), date(2024, 12, 1)]),
    "points and blanks": (["1. 5. 2024", "31. 12. 2024"], "%d.%m.%Y", [date(2024, 5, 1), None]),
    "a clock": (["31.12.2024 10:00"], "%d.%m.%Y %H:%M:%S", [at("2024-12-31 10:00:00")]),
    "a fraction": (
        ["31.12.2024 9:05:07.5"],
        "%d.%m.%Y %H:%M:%S",
        [at("2024-12-31 09:05:07.500000")],
    ),
    "a clock of 12 hours": (
        ["1/31/2024 12:05 AM", "1/31/2024, 12:05:10 pm", "1/2/2024 3:00 p.m."],
        "%m/%d/%Y %I:%M:%S %p",
        [
            at("2024-01-31 00:05:00"),
            at("2024-01-31 12:05:10"),
            at("2024-01-02 15:00:00"),
        ],
    ),
    "English": (["5 Jan 2024", "12 March 2024"], "%d %B %Y [en]", [date(2024, 1, 5), None]),
    "American": (["Jan 5, 2024", "May 12, 2024"], "%B %d %Y [en]", [date(2024, 1, 5), None]),
    "Oracle": (["05-JAN-2024", "31-DEC-2024"], "%d %B %Y [en]", [date(2024, 1, 5), None]),
    "German": (["5. März 2024", "1. Dezember 2024"], "%d %B %Y [de]", [date(2024, 3, 5), None]),
    "Spanish": (["5 de enero de 2024"], "%d %B %Y [es]", [date(2024, 1, 5)]),
    "French": (["1er août 2024", "5 févr. 2024"], "%d %B %Y [fr]", [date(2024, 8, 1), None]),
    "Russian": (["5 января 2024"], "%d %B %Y [ru]", [date(2024, 1, 5)]),
    "named, with a clock": (
        ["5 Jan 2024 10:30"],
        "%d %B %Y %H:%M:%S [en]",
        [at("2024-01-05 10:30:00")],
    ),
    "yes and no": (["yes", "NO", None], "yes/no", [True, False, None]),
    "ja and nein": (["Ja", "Nein"], "ja/nein", [True, False]),
    "oui and non": (["oui", "non"], "oui/non", [True, False]),
    "sí and no": (["Sí", "No"], "sí/no", [True, False]),
    "Y and N": (["Y", "N", "Y"], "y/n", [True, False, True]),
    "a flag and nothing": (["Y", "N", "NA"], "y/n", [True, False, None]),
    "a decimal comma and nothing": (["1,5", "-", "n/a"], "1234,5", [D("1.5"), None, None]),
}


@pytest.mark.parametrize(("values", "form", "wanted"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_so_arrives_exactly(
    con: duckdb.DuckDBPyConnection, values: Column, form: str, wanted: list[Any]
) -> None:
    (found,) = guessed(con, values)
    assert found.type.format == form, found.why
    assert found.type.kind is not Kind.DOUBLE
    loaded = arrived(con, found)
    assert loaded[0] == wanted[0]
    assert all(
        value == want for value, want in zip(loaded, wanted, strict=True) if want is not None
    )
    known = all_forms.of(found.type)
    assert known is not None
    assert known.name == form


STAYS = {
    "either 1234 or 1.234": (["1.234", "2.500"], "--decimal"),
    "either 1234 or 1.234, with a comma": (["1,234", "2,500", "7"], "--decimal"),
    "an amount that is either": (["€ 1.234", "€ 2"], "--decimal"),
    "two currencies": (["5 €", "5 $"], "1 of 2 are written like '5 €'"),
    "a sign here and there": (["5 €", "5"], ""),
    "groups of two": (["12,34,567.00"], "text"),
    "groups that are none": (["1.23.456"], "text"),
    "both marks twice": (["1.234,567.890"], "text"),
    "leading zeros": (["007,50"], "text"),
    "a plus": (["+1,5"], "text"),
    "two minus signs": (["-5-", "5,5"], ""),
    "an order that nothing proves": (["1/2/2024", "3/4/2024"], "--dates"),
    "with a clock": (["1/2/2024 3:00 PM"], "--dates"),
    "years of two digits": (["31.12.24", "5.1.25"], "--dates"),
    "no such day": (
        ["31.2.2024", "13.1.2024", "14.1.2024"],
        "2 of 3 are written like '13.1.2024', 1 is not, such as '31.2.2024'",
    ),
    "no such day beside one": (
        ["32.01.2024", "15.01.2024"],
        "1 of 2 are written like '15.01.2024', 1 is not, such as '32.01.2024'",
    ),
    "no such hour": (["31.12.2024 25:00"], ""),
    "13 o'clock in the afternoon": (["1/31/2024 13:00 PM"], ""),
    "no month": (["5 Foo 2024"], "text"),
    "a month of two languages": (["5 listopad 2024"], "months in"),
    "one word of a pair": (["N", "N"], "one word of a pair"),
    "a third word": (["yes", "no", "maybe"], "text"),
    "words of two pairs": (["yes", "nein"], "text"),
    "country codes": (["NA", "DE", "FR"], "text"),
    "nothing but NA": (["NA", "NA"], "text"),
    "words of nothing that are none": (["1", "none"], "none"),
}


@pytest.mark.parametrize(("values", "said"), STAYS.values(), ids=STAYS)
def test_what_is_ambiguous_or_broken_stays_text_and_the_reason_says_what_decides(
    con: duckdb.DuckDBPyConnection, values: Column, said: str
) -> None:
    (found,) = guessed(con, values)
    assert found.type == TEXT
    assert said in found.why
    assert guessed(con, [*values, "NA"])[0].type == TEXT  # what stands for nothing proves nothing


SAID: dict[str, tuple[Said, Column, list[Any]]] = {
    "a comma": (Said(decimal=","), ["1.234", "2,500"], [1234, D("2.5")]),
    "a comma, to thousands": (Said(decimal=","), ["1.234", "22.500"], [1234, 22500]),
    "a point, to a comma": (Said(decimal="."), ["1,234", "2,500"], [1234, 2500]),
    "a point": (Said(decimal="."), ["1.234"], [D("1.234")]),
    "day first": (Said(dates="dmy"), ["1/2/2024"], [date(2024, 2, 1)]),
    "month first": (Said(dates="mdy"), ["1/2/2024"], [date(2024, 1, 2)]),
    "short years": (Said(dates="dmy"), ["1.2.68", "1.2.69"], [date(2068, 2, 1), date(1969, 2, 1)]),
    "short years last": (Said(dates="ymd"), ["24-01-31"], [date(2024, 1, 31)]),
    "short years and names": (Said(dates="dmy"), ["05-JAN-24"], [date(2024, 1, 5)]),
    "words stay": (Said(nulls=False), ["1", "NA"], ["1", "NA"]),
}


@pytest.mark.parametrize(("said", "values", "wanted"), SAID.values(), ids=SAID)
def test_what_is_said_decides(
    con: duckdb.DuckDBPyConnection, said: Said, values: Column, wanted: list[Any]
) -> None:
    (found,) = guessed(con, values, said=said)
    assert arrived(con, found) == wanted
    if said.nulls:
        (found,) = guessed(con, [*values, "NA"], said=said)
        assert arrived(con, found) == [*wanted, None]


def test_another_column_of_the_file_may_prove_the_mark_of_decimals(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for nothing in (None, "NA"):
        doubtful, commas = ["1.234", "2.500", nothing], ["12,50", "1,25", nothing]
        points = ["12.50", "1.25", nothing]
        point, _ = guessed(con, doubtful, points)
        assert (point.type.kind, point.type.format) == (Kind.NUMERIC, "")
        comma, _ = guessed(con, doubtful, commas)
        assert arrived(con, comma) == [1234, 2500, None]
        neither, _, _ = guessed(con, doubtful, commas, points)
        assert neither.type == TEXT


def test_words_for_nothing_are_null_where_all_else_is_a_value_and_are_named(
    con: duckdb.DuckDBPyConnection,
) -> None:
    words = ["NA", "n/a", "NULL", r"\N", "-", "#N/A"]
    for values in (["1", "2"], ["1.5", "2"], ["2024-01-31", "2024-02-01"], ["true", "false"]):
        (found,) = guessed(con, [*values, *words])
        assert found.type != TEXT
        assert set(found.nulls) == set(words)
        assert all(word in found.why for word in ("6 values null", *words))
        assert arrived(con, found)[2:] == [None] * len(words)


def test_digits_are_flags_and_days_only_if_that_is_said(con: duckdb.DuckDBPyConnection) -> None:
    (found,) = guessed(con, ["1", "0", "45292"])
    assert found.type.kind is Kind.BIGINT
    guessed(con, ["1", "0"])
    asked = Finding(Type(Kind.BOOLEAN, format="1/0"), "", frozenset())
    assert arrived(con, asked) == [True, False]
    guessed(con, ["45292", "45292.75"])
    asked = Finding(Type(Kind.TIMESTAMP, format="Excel"), "", frozenset())
    assert arrived(con, asked) == [at("2024-01-01 00:00:00"), at("2024-01-01 18:00:00")]
    guessed(con, ["61", "45351"])
    asked = Finding(Type(Kind.DATE, format="Excel"), "", frozenset())
    assert arrived(con, asked) == [date(1900, 3, 1), date(2024, 2, 29)]


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9)) | (
    st.integers(-(10**20), 10**20).map(Decimal)
)


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[list[Decimal], list[str]]:
    """Numbers, and how somebody writes them: one mark and unit for all, the rest as it comes."""
    mark = draw(st.sampled_from(",."))
    groups = ["", " ", "\xa0", "\u202f", "'", ".,".replace(mark, "")]
    unit = draw(st.sampled_from(["", "€", "USD", "%", "kr"]))
    values = draw(st.lists(numbers, min_size=1, max_size=6))
    texts = []
    for value in values:
        plain = f"{abs(value):,f}".replace(",", "G").replace(".", mark)
        body = plain.replace("G", draw(st.sampled_from(groups)))
        gap = draw(st.sampled_from(["", " "]))
        whole = body if not unit else draw(st.sampled_from([unit + gap + body, body + gap + unit]))
        minus = draw(st.sampled_from([f"-{whole}", f"({whole})", f"{whole}-"]))
        texts.append(minus if value < 0 else whole)
    return values, texts


@examples(daily=25, nightly=500)
@given(written=written_numbers(), decimal=st.sampled_from([None, ",", "."]))
def test_numbers_written_in_any_way_come_back_exactly_or_stay_text(
    con: duckdb.DuckDBPyConnection, written: tuple[list[Decimal], list[str]], decimal: str | None
) -> None:
    values, texts = written
    (found,) = guessed(con, texts, said=Said(decimal=decimal))
    loaded = arrived(con, found)
    if found.type == TEXT:
        assert loaded == texts
    elif decimal is None:
        assert found.type.kind is not Kind.DOUBLE
        assert loaded == values, (texts, found)


@st.composite
def written_days(draw: st.DrawFn) -> tuple[list[date], list[str]]:
    """Days, and how somebody writes them: in one order."""
    order, mark = draw(st.sampled_from(["dmy", "mdy", "ymd"])), draw(st.sampled_from("/.-"))
    pad = draw(st.sampled_from(["02", ""]))
    days = draw(st.lists(st.dates(date(1, 1, 1), date(9999, 12, 31)), min_size=1, max_size=6))
    texts = [
        mark.join(
            {"d": f"{day.day:{pad}}", "m": f"{day.month:{pad}}", "y": f"{day.year:04}"}[part]
            for part in order
        )
        for day in days
    ]
    return days, texts


@examples(daily=25, nightly=500)
@given(written=written_days())
def test_days_written_in_any_way_come_back_exactly_or_stay_text(
    con: duckdb.DuckDBPyConnection, written: tuple[list[date], list[str]]
) -> None:
    days, texts = written
    (found,) = guessed(con, texts)
    assert arrived(con, found) == (texts if found.type == TEXT else days)


@pytest.mark.parametrize("code", ["Q", "E", "K", "KM", "TOP", "EUR", "XXX"])
@pytest.mark.parametrize("gap", ["", " "])
def test_whole_numbers_with_letters_may_be_codes_and_stay_text(
    con: duckdb.DuckDBPyConnection, code: str, gap: str
) -> None:
    values = [f"{code}{gap}{number}" for number in (1, 2, 4)]
    (found,) = guessed(con, values)
    assert found.type == TEXT
    assert arrived(con, found) == values


def test_many_columns_of_words_and_forms_fit_in_memory(con: duckdb.DuckDBPyConnection) -> None:
    kinds: list[Column] = [
        ["w", "v"],
        ["1.234,50", "2"],
        ["31.12.2024", None],
        ["ja", "nein"],
        ["NA", "7"],
    ]
    found = guessed(con, *kinds * 11)
    wanted = ["text", "numeric", "date", "boolean", "bigint"]
    assert [finding.type.kind.value for finding in found] == wanted * 11


@pytest.mark.parametrize(
    ("values", "said", "form"),
    [
        (["1,50", "2,50", "open"], Said(), "1234,5"),
        (["1,50", "open"], Said(decimal=","), "1234,5"),
        (["1.500", "2.500", "open"], Said(decimal=","), "1234,5"),
        (["1.500", "2.500", "open"], Said(decimal="."), "1234.5"),
        (["1.500", "2,50", "open"], Said(), "1234,5"),
        (["1/2/2024", "3/4/2024", "31.2.2024"], Said(dates="mdy"), "%m/%d/%Y"),
        (["1.2.2024", "31.4.2024"], Said(dates="dmy"), "%d.%m.%Y"),
    ],
)
def test_a_value_that_is_none_leaves_the_others_their_form_where_a_type_is_asked_for(
    con: duckdb.DuckDBPyConnection, values: Column, said: Said, form: str
) -> None:
    (found,) = guessed(con, values, said=said)
    assert (found.type, found.forms) == (TEXT, (form,))
