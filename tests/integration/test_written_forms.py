"""Numbers, dates and flags as people write them: the same on every night, and by every way in."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from myriad.errors import ContractRefused, UsageError
from myriad.model import Reject
from myriad.publish.contract import Change
from myriad.publish.report import TableReport
from myriad.sources.options import ReadOptions
from tests.publishing import Place

BILLS = """id;Betrag;Anteil;am;bezahlt;Menge
1;1.234,50 €;7,5 %;31.12.2024 10:00;ja;12
2;-12,00 €;12 %;1.2.2024 9:05;nein;-
3;(0,50 €);3 %;5.2.2024 0:00;ja;7
"""
FORMS = {
    "betrag": "1234,5 €",
    "anteil": "1234,5 %",
    "am": "%d.%m.%Y %H:%M:%S",
    "bezahlt": "ja/nein",
}


def bills(*rows: str) -> str:
    return "\n".join([BILLS.splitlines()[0], *rows, ""])


def publish(place: Place, text: str, **options: Any) -> TableReport:
    (table,) = place.publish(place.write("t.csv", text), **options).tables
    return table


def test_the_values_arrive_and_the_comment_keeps_how_they_were_written(place: Place) -> None:
    report = publish(place, BILLS)
    assert place.columns("t") == {
        "id": "bigint",
        "betrag": "numeric",
        "anteil": "numeric",
        "am": "timestamp without time zone",
        "bezahlt": "boolean",
        "menge": "bigint",
    }
    (first, _, third) = place.ask(
        "SELECT betrag, anteil, am::text, bezahlt, menge FROM t ORDER BY id"
    )
    assert first == (Decimal("1234.50"), Decimal("7.5"), "2024-12-31 10:00:00", True, 12)
    assert third[0] == Decimal("-0.50")
    assert place.one("SELECT menge FROM t WHERE id = 2") is None
    comments = place.comments("t")
    assert comments["betrag"] == "Betrag; written 1234,5 €"
    assert comments["am"] == "am; written DD.MM.YYYY hh:mm:ss"
    assert "1 value null: -" in report.table.column("menge").why
    assert {c["name"]: c["format"] for c in report.columns_as_data() if c["format"]} == FORMS


def test_a_dry_run_and_a_check_say_the_same(place: Place) -> None:
    said = [
        [column.why for column in publish(place, BILLS, **{way: True}).table.columns]
        for way in ("dry_run", "check")
    ]
    assert said[0] == said[1] == [c.why for c in publish(place, BILLS).table.columns]


def test_the_next_night_keeps_the_form_where_its_values_alone_prove_none(place: Place) -> None:
    publish(place, BILLS)
    publish(place, bills("4;1.500 €;3 %;2.3.2024 1:00;ja;1"))
    assert place.ask("SELECT betrag, am::date, bezahlt FROM t") == [
        (Decimal(1500), date(2024, 3, 2), True)
    ]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("4;1,500.25 €;3 %;2.3.2024 1:00;ja;1", "Betrag"),
        ("4;12,00 $;3 %;2.3.2024 1:00;ja;1", "Betrag"),
        ("4;12,00 €;3 %;2/13/2024 1:00;ja;1", "am"),
        ("4;12,00 €;3 %;2.3.2024 1:00;yes;1", "bezahlt"),
    ],
)
def test_values_in_another_form_are_named_with_their_lines(
    place: Place, row: str, column: str
) -> None:
    publish(place, BILLS)
    with pytest.raises(ContractRefused, match=rf"values do not fit column {column}") as refused:
        publish(place, bills("9;1,00 €;1 %;1.1.2024 1:00;ja;1", row))
    assert "t.csv, line 3" in refused.value.message
    assert place.one("SELECT count(*) FROM t") == 3


def test_append_and_merge_read_the_same_forms(place: Place) -> None:
    publish(place, BILLS, keys={"": ("id",)})
    publish(place, bills("4;2.000 €;1 %;2.3.2024 1:00;nein;NA"), append=True)
    publish(place, bills("1;99,00 €;1 %;2.3.2024 1:00;nein;5"), merge=True)
    assert place.ask("SELECT id, betrag, bezahlt, menge FROM t WHERE id IN (1, 4) ORDER BY id") == [
        (1, Decimal("99.00"), False, 5),
        (4, Decimal(2000), False, None),
    ]
    with pytest.raises(ContractRefused, match="Betrag"):
        publish(place, bills("5;2,000.5 €;1 %;2.3.2024 1:00;nein;7"), append=True)


def test_text_stays_text_and_the_report_has_the_line_that_changes_it(place: Place) -> None:
    publish(place, "id;price\n1;a\n")
    why = publish(place, "id;price\n1;12,50\n").table.column("price").why
    assert place.columns("t")["price"] == "text"
    assert "--type price=numeric would make it that" in why
    publish(place, "id;price\n1;12,50\n", types={"price": "numeric"})
    assert place.one("SELECT price FROM t") == Decimal("12.50")


def test_what_was_said_of_doubtful_values_is_remembered(place: Place) -> None:
    doubtful = "id;n;d;w\n1;1.234;1/2/2024;NA\n2;5.678;3/4/2024;3\n"
    read = ReadOptions(decimal=",", dates="mdy", null_words=False)
    publish(place, doubtful, read=read)
    table = publish(place, doubtful)
    assert table.used == "--decimal , --dates mdy --no-null"
    assert place.ask("SELECT n, d, w FROM t ORDER BY id")[0] == (1234, date(2024, 1, 2), "NA")


def test_digits_are_flags_and_excel_s_days_where_a_type_says_so(place: Place) -> None:
    text = "id,f,d\n1,0,45292\n2,1,45293\n"
    for _ in range(2):
        publish(place, text, types={"f": "boolean", "d": "date"})
        assert place.ask("SELECT f, d FROM t ORDER BY id")[0] == (False, date(2024, 1, 1))
    publish(place, text)  # as the recipe says
    assert place.columns("t") == {"id": "bigint", "f": "boolean", "d": "date"}


def test_one_word_of_a_pair_is_a_flag_where_a_type_says_so(place: Place) -> None:
    publish(place, "id,f\n1,N\n", types={"f": "boolean"})
    assert place.one("SELECT f FROM t") is False


def test_files_of_two_forms_meet_where_one_can_read_both(place: Place) -> None:
    one, two = place.write("a.csv", 'n\n"1,5"\n'), place.write("b.csv", "n\n2\n")
    place.publish(one, two, table="t")
    assert place.ask("SELECT n FROM t ORDER BY n") == [(Decimal("1.5"),), (Decimal(2),)]
    place.publish(one, place.write("c.csv", "n\n2.5\n"), table="u")
    assert place.columns("u") == {"n": "text"}


def test_a_word_for_nothing_that_comes_late_is_null_too_and_said(place: Place) -> None:
    rows = "".join(f"{n},{n}.5\n" for n in range(200_000))
    table = publish(place, f"id,n\n{rows}200000,NA\n")
    assert place.ask("SELECT count(*), count(n) FROM t") == [(200_001, 200_000)]
    assert "1 value null: NA" in table.table.column("n").why


def test_a_record_that_fits_no_form_is_a_reject_with_its_value(place: Place) -> None:
    publish(place, BILLS)
    report = place.publish(
        place.write(
            "t.csv", bills("7;x;1 %;1.1.2024 1:00;ja;NA", "8;1,00 €;1 %;1.1.2024 1:00;ja;3")
        ),
        max_rejects=1,
    )
    assert report.rows == 1
    (reject,) = report.rejects
    assert isinstance(reject, Reject)
    assert (reject.line, reject.value) == (2, "x")


@pytest.mark.parametrize("wrong", [{"decimal": ";"}, {"dates": "dym"}])
def test_marks_and_orders_that_there_are_none_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ReadOptions(**wrong)  # type: ignore[arg-type]


def test_what_is_no_data_is_kept_and_not_counted(place: Place) -> None:
    path = place.write("t.csv", "Prices of May\n\nid;n\n1;5\n2;7\nTotal;\n")
    report = place.publish(path, max_rejects=0)
    assert place.ask("SELECT id, n FROM t ORDER BY id") == [(1, 5), (2, 7)]
    assert not report.rejects
    assert [(line.line, line.raw) for line in report.not_data] == [
        (1, "Prices of May"),
        (6, "Total;"),
    ]
    assert report.rejects_file is not None
    kept = place.ask("SELECT line, raw, reason FROM myriad.reject ORDER BY line")
    assert kept == [
        (1, "Prices of May", "no data: a title"),
        (6, "Total;", "no data: a total"),
    ]
    notes = report.tables[0].table.notes
    assert [note for note in notes if "is no data" in note] == [
        note
        for note in place.publish(path, dry_run=True).tables[0].table.notes
        if "is no data" in note
    ]


def test_a_comma_never_comes_into_columns_of_points(place: Place) -> None:
    publish(place, "id;p;q\n1;1.50;1.50\n", types={"q": "numeric(10,3)"})
    for row, append in (("2;1,50;1.50", True), ("2;1.50;1,50", False)):
        with pytest.raises(ContractRefused, match=r"values do not fit column [pq]"):
            publish(place, f"id;p;q\n{row}\n", append=append)
    publish(place, "id;p;q\n1;1,50;1\n2;1.500;1.500\n", max_rejects=1)
    publish(place, "id;p;q\n2;1.500;1.500\n")
    assert place.ask("SELECT p, q FROM t") == [(Decimal("1.5"), Decimal("1.5"))]


@pytest.mark.parametrize("way", [{"append": True}, {"merge": True}])
def test_a_form_that_comes_with_added_rows_is_remembered(
    place: Place, way: dict[str, bool]
) -> None:
    publish(place, "id;p\n1;12\n", keys={"": ("id",)})
    publish(place, "id;p\n2;1,50\n", **way)
    publish(place, "id;p\n3;1.500\n", **way)
    assert place.ask("SELECT p FROM t ORDER BY id") == [(12,), (Decimal("1.50"),), (1500,)]


def test_an_allowed_change_of_the_form_is_remembered(place: Place) -> None:
    publish(place, "id;p\n1;1.50\n")
    for value, meant in (("1,50", Decimal(1500)), ("1.50", Decimal("1.5"))):
        publish(place, f"id;p\n1;{value}\n", allow=frozenset({Change.TYPES}))
        publish(place, "id;p\n1;1.500\n")
        assert place.one("SELECT p FROM t") == meant


def test_a_column_without_values_takes_the_type_of_the_first(place: Place) -> None:
    publish(place, "id;a;b\n")
    publish(place, "id;a;b\n1;;x\n")
    publish(place, "id;a;b\n1;5;7\n")
    assert place.columns("t") == {"id": "bigint", "a": "bigint", "b": "text"}


def test_one_value_that_is_none_is_the_only_reject(place: Place) -> None:
    text = "betrag;am\n1,50;1.2.2024\n2,50;3.4.2024\noffen;31.4.2024\n"
    asked = {"betrag": "numeric", "am": "date"}
    read = ReadOptions(decimal=",", dates="dmy")
    publish(place, text, types=asked, read=read, max_rejects=1)
    assert place.one("SELECT sum(betrag) FROM t") == 4
