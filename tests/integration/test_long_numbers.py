"""Numbers of more digits than machines have come exactly, from whatever can hold them."""

import random
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from tests.long_numbers import FILES, NUMBERS
from tests.publishing import Place


@pytest.mark.nightly(by_day=["t.csv", "t.json"])
@pytest.mark.parametrize("name", FILES)
def test_long_numbers_are_exact_in_postgresql(place: Place, name: str) -> None:
    FILES[name](path := place.folder / name)
    place.publish(path, table="t")
    kind = "numeric(58,10)" if name == "t.parquet" else "numeric"
    assert place.columns("t") == {"id": "bigint", "n": kind}
    assert [n for (n,) in place.ask("SELECT n FROM t ORDER BY id")] == NUMBERS
    place.publish(path, table="t", append=True, again=True)
    assert place.ask("SELECT n, count(*) FROM t GROUP BY n ORDER BY n") == [
        (number, 2) for number in sorted(n for n in NUMBERS if n is not None)
    ] + [(None, 2)]


def test_the_wire_has_any_number_as_it_is_written(place: Place) -> None:
    chosen = random.Random(5)
    written = ["1" * 1000, "0." + "0" * 40 + "1", "-" + "1" + "0" * 50, "0.50", "0"]
    for _ in range(300):
        whole = str(chosen.randrange(10 ** chosen.randrange(1, 90)))
        places = "".join(chosen.choices("0000123456789", k=chosen.randrange(60)))
        minus = "-" * (chosen.random() < 0.5 and bool((whole + places).strip("0")))
        written.append(f"{minus}{whole}{places and '.'}{places}")
    rows = "".join(f"{at},{number},{number}x\n" for at, number in enumerate(written))
    place.publish(place.write("t.csv", "id,n,shown\n" + rows))
    assert place.columns("t")["n"] == "numeric"
    wrong = "SELECT * FROM t WHERE n <> left(shown, -1)::numeric"
    assert (place.ask(wrong), place.one("SELECT count(*) FROM t")) == ([], len(written))
    sent, own = place.ask(
        "SELECT string_agg(encode(numeric_send(n), 'hex'), ' ' ORDER BY id),"
        " string_agg(encode(numeric_send((n::text)::numeric), 'hex'), ' ' ORDER BY id) FROM t"
    )[0]
    assert sent == own


def test_sqlite_keeps_the_digits_that_it_declares(place: Place) -> None:
    path = place.folder / "t.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE t (n DECIMAL(50, 10), plain TEXT)")
        file.execute("INSERT INTO t VALUES (12, '1'), (-0.5, '2')")
        file.commit()
    place.publish(path)
    assert place.columns("t") == {"n": "numeric(50,10)", "plain": "text"}
    assert place.ask("SELECT n FROM t ORDER BY n") == [(Decimal("-0.5"),), (Decimal(12),)]


def test_files_of_long_numbers_that_differ_go_together(place: Place) -> None:
    one = place.write("a.csv", f"n\n{'1' * 38}\n")
    two = place.write("b.csv", "n\n0.5\n")
    place.publish(one, two, table="t")
    assert sorted(n for (n,) in place.ask("SELECT n FROM t")) == [Decimal("0.5"), int("1" * 38)]


def test_a_table_of_numbers_takes_longer_ones_beside_a_word(place: Place) -> None:
    place.publish(place.write("t.csv", "n\n1.5\n2.5\n"), table="t")
    long = "1" * 60 + ".25"
    path = place.write("t.csv", f"n\n{long}\n3.5\nword\n")
    place.publish(path, table="t", append=True, max_rejects=1)
    assert place.ask("SELECT max(n), count(*) FROM t") == [(Decimal(long), 4)]


def test_numbers_longer_than_any_type_stay_text_and_the_report_says_so(place: Place) -> None:
    path = place.write("t.csv", f"n\n{'9' * 1001}\n")
    report = place.publish(path, table="t")
    assert place.columns("t") == {"n": "text"}
    assert "more than 1,000 digits" in report.tables[0].table.columns[0].why
