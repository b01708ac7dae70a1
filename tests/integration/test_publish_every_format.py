"""Workbooks, documents and typed files come into PostgreSQL with the values that they hold."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from myriad.cli import published
from myriad.errors import PublishError, SourceError
from myriad.publish import options
from myriad.publish.report import Report, TableReport
from tests.apart import stay_here
from tests.every_format import MAKERS, made, names, wanted
from tests.harness import run
from tests.publishing import Place

# A title, decimals with a comma, a word for null, a total; an encoding; a column in doubt.
ODD = {
    "titled.csv": b"Prices\n\nid;name;price\n1;Ida;9,50\n2;Bo;NA\nTotal;;9,50\n",
    "latin.csv": "id,name\n1,Müller\n2,Straße\n".encode("latin-1"),
    "doubt.csv": b'id,sold\n1,"1,234"\n2,"2,500"\n',
}


def test_every_value_comes_from_every_format_and_a_dry_run_says_so_before(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := place.folder / "every").mkdir()
    for kind in MAKERS:
        made(kind, folder)
    for name, data in ODD.items():
        (folder / name).write_bytes(data)
    with monkeypatch.context() as patch:
        stay_here(patch)
        dry = place.publish(folder, dry_run=True)
    report = place.publish(folder)
    for kind in MAKERS:
        assert _rows(place, kind, kind) == wanted(kind), kind
    assert len(report.tables) == len(MAKERS) + len(ODD)
    for before, after in zip(dry.tables, report.tables, strict=True):
        assert _told(before) == _told(after)
    for after in report.tables:
        if after.table.name not in ("titled", "latin", "doubt", "xlsx", "sqlite"):
            continue  # what is kept does not depend on the format
        kept = place.installation.describe(after.table.name, database=place.database)
        assert [column["why"] for column in kept["columns"]] == [c.why for c in after.table.columns]
        assert kept["notes"] == [*after.table.notes, *after.notes]
    notes = [note for table in report.tables for note in table.table.notes]
    assert any("a title: 'Prices'" in note for note in notes)
    assert any("not UTF-8: read as" in note for note in notes)


def _told(table: TableReport) -> list[str]:
    """Return the lines of a report on a table that do not ask for rows: no key is suggested."""
    report = Report("", "d", "s", dry_run=False, tables=[replace(table, key_candidates=[])])
    first, *lines, _ = published.text(report).splitlines()
    return [first.partition(":")[0], first.partition("(")[2], *lines]


def test_every_value_comes_from_an_archive_at_an_address(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    with ZipFile(place.folder / "every.zip", "w", ZIP_DEFLATED) as archive:
        for kind in MAKERS:
            archive.write(path := made(kind, place.folder), path.name)
    with served(place.folder) as port:
        place.publish(f"http://127.0.0.1:{port}/every.zip")
    for kind in MAKERS:
        assert _rows(place, kind, kind) == wanted(kind), kind


def test_what_comes_before_there_are_tables_is_told_as_progress(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "PAUSE", 0)
    with ZipFile(place.folder / "one.csv.zip", "w", ZIP_DEFLATED) as archive:
        archive.writestr("one.csv", "id\n1\n")
    steps: list[options.Step] = []
    place.publish(place.folder / "one.csv.zip", progress=steps.append)
    first, *_ = [step for step in steps if step.phase == "unpacking"]
    assert (Path(first.table).name, first.share, first.size) == ("one.csv.zip", 1.0, 5)
    assert "opening" in {step.phase for step in steps}


@pytest.mark.nightly(by_day=["xlsb", "avro", "dump"])
@pytest.mark.parametrize("kind", MAKERS)
def test_every_value_comes_from_standard_input(place: Place, kind: str) -> None:
    path = made(kind, place.folder)
    into = ("--database", place.database, "--table", "piped")
    home = place.installation.home
    done = run(home, "publish", "-", *into, given=path.read_bytes(), folder=place.folder)
    assert done.returncode == 0, done.stderr
    assert _rows(place, "piped", kind) == wanted(kind)


def _rows(place: Place, table: str, kind: str) -> list[Any]:
    rows = place.ask(f"SELECT {', '.join(names(kind))} FROM {table} ORDER BY id")
    return [
        tuple(v.astimezone(dt.UTC) if getattr(v, "tzinfo", None) else v for v in row)
        for row in rows
    ]


ORDERS = [
    {"id": 7, "who": {"name": "Rose"}, "items": [{"sku": "a", "off": [{"p": 1}]}, {"sku": "b"}]},
    {"id": 8, "who": {"name": "Bo"}, "items": []},
]


def test_what_is_nested_becomes_tables_that_hang_together(place: Place) -> None:
    path = place.write("shop.json", json.dumps({"orders": ORDERS, "count": 2}))
    report = place.publish(path, table="orders", read=_nested("tables"))
    assert [table.table.name for table in report.tables] == [
        "orders",
        "orders_items",
        "orders_items_off",
    ]
    assert place.ask(
        "SELECT who_name, i.position, sku, p FROM orders o"
        " JOIN orders_items i ON i.orders_id = o.id"
        " LEFT JOIN orders_items_off f"
        " ON (f.orders_id, f.items_position) = (i.orders_id, i.position) ORDER BY 1, 2"
    ) == [("Rose", 1, "a", 1), ("Rose", 2, "b", None)]
    keys = (
        "SELECT count(*) FROM pg_constraint"
        " WHERE contype = %s AND connamespace = 'public'::regnamespace"
    )
    assert (place.one(keys, ["p"]), place.one(keys, ["f"])) == (3, 2)


def test_how_a_file_is_read_is_remembered(place: Place) -> None:
    text = json.dumps({"a": [{"x": {"y": 1}}], "b": [{"z": 2}]})
    path = place.write("two.json", text)
    with pytest.raises(SourceError, match="several lists of records"):
        place.publish(path)
    place.publish(path, read=_nested("columns", "a"))
    path.write_text(text.replace("1", "5"))
    report = place.publish(path)
    assert report.tables[0].used == "--records a --nested columns"
    assert place.ask("SELECT x_y FROM two") == [(5,)]


def test_a_sheet_is_remembered(place: Place) -> None:
    import openpyxl  # noqa: PLC0415

    book = openpyxl.Workbook()
    book.active.append(("a",))
    book.active.append((1,))
    second = book.create_sheet("Wanted")
    second.append(("b",))
    second.append((2,))
    book.save(path := place.folder / "book.xlsx")
    place.publish(path, read=_read(sheet="Wanted"))
    report = place.publish(path)
    assert [table.table.name for table in report.tables] == ["book"]
    assert place.ask("SELECT b FROM book") == [(2,)]
    assert any("not read: Sheet" in note for note in report.tables[0].table.notes)


def test_a_damaged_file_changes_nothing(place: Place) -> None:
    path = made("xlsx", place.folder)
    place.publish(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises((SourceError, PublishError)):
        place.publish(path)
    assert place.one("SELECT count(*) FROM xlsx") == 4


def test_a_secret_in_an_address_is_kept_nowhere(place: Place) -> None:
    with served(place.folder) as port:
        place.write("crew.csv", "id\n1\n2\n")
        address = f"http://rose:SECRET@127.0.0.1:{port}/crew.csv?key=SECRET"
        report = place.publish(address)
        with pytest.raises(SourceError):
            place.publish(f"http://rose:SECRET@127.0.0.1:{port}/none.csv?key=SECRET")
    assert report.rows == 2
    assert "/crew.csv?…" in report.tables[0].source
    told = [report.as_data(), place.installation.history(database=place.database)]
    told += [place.ask("SELECT to_jsonb(t) FROM myriad.published t")]
    assert "SECRET" not in repr(told)
    assert "crew.csv" in repr(told)


@contextmanager
def served(folder: Path) -> Iterator[int]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def _nested(nested: str, records: str | None = None) -> Any:
    return _read(nested=nested, records=records)


def _read(**options: Any) -> Any:
    from myriad.sources.options import ReadOptions  # noqa: PLC0415

    return ReadOptions(**options)
