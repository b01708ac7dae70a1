"""The report of a publish fits on a screen, and says all that was not plain."""

from dataclasses import replace

from myriad.cli.published import SCREEN, text
from myriad.model import TEXT, Column, Kind, Table, Type
from myriad.publish.report import Report, TableReport

WHOLE = Type(Kind.BIGINT)
DOUBT = "numbers such as '1,234', which may be either; --decimal . or , decides"


def told(*tables: TableReport, dry_run: bool = False) -> list[str]:
    return text(Report("", "main", "public", dry_run, list(tables))).splitlines()


def table(name: str, *columns: Column, notes: tuple[str, ...] = ()) -> TableReport:
    made = Table(name, name, columns, notes=notes)
    return TableReport(f"{name}.csv", made, 1, ddl=f"CREATE TABLE {name} ();")


def test_hundreds_of_columns_are_put_together_by_what_they_are() -> None:
    plain = [Column(f"c{n}", "", WHOLE, f"whole numbers from 1 to {n}") for n in range(600)]
    odd = [Column("sold", "", TEXT, DOUBT), Column("name", "", TEXT, "text")]
    lines = told(table("wide", *plain, *odd, notes=("delimiter ','",)))
    assert len(lines) < SCREEN / 2
    assert "  c0, c1 and 598 more  bigint  whole numbers from 1 to 0" in lines
    assert any(line.startswith("  sold ") and line.endswith(DOUBT) for line in lines)
    assert "  note: delimiter ','" in lines


def test_a_thousand_tables_are_told_of_together() -> None:
    plain = Column("id", "", WHOLE, "whole numbers")
    many = [table(f"t{n}", plain, notes=("delimiter ','",)) for n in range(1000)]
    odd = table("odd", plain, Column("sold", "", TEXT, DOUBT), notes=("line 1 is no data",))
    odd.difference = ["column day is gone"]
    lines = told(*many, odd)
    assert len(lines) <= SCREEN
    assert "  … and 989 more tables: myriad list" in lines
    assert "  note: delimiter ',' (t0, t1 and 998 more)" in lines
    assert {f"  sold  text  {DOUBT} (odd)", "  note: line 1 is no data (odd)"} <= set(lines)
    assert any("day" in line and line.endswith("(odd)") for line in lines)
    assert lines[-1].startswith("1,001 rows in 1,001 tables")


def test_notes_without_end_do_not_push_the_rest_off_the_screen() -> None:
    notes = tuple(f"trigger {n} not carried over" for n in range(500))
    lines = told(table("t", Column("id", "", WHOLE, "whole numbers"), notes=notes))
    assert len(lines) <= SCREEN
    assert "  … and 476 more notes: myriad show t" in lines


def test_a_dry_run_shows_all_statements_whatever_there_are() -> None:
    many = [table(f"t{n}", Column("id", "", WHOLE, "whole numbers")) for n in range(100)]
    lines = told(*many, dry_run=True)
    assert [line for line in lines if line.startswith("CREATE")] == [each.ddl for each in many]


def test_what_fits_is_shown_whole() -> None:
    columns = [Column(f"c{n}", "", WHOLE, f"whole numbers from 1 to {n}") for n in range(40)]
    assert len(told(table("t", *columns))) == 42
    few = [replace(table(f"t{n}", columns[0]), key_candidates=["c0"]) for n in range(5)]
    assert len(told(*few)) == 16
