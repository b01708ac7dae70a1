"""What did not change is not published again, if that is asked for: files, addresses, objects."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from myriad import cli
from myriad.errors import SourceError
from myriad.publish.contract import Change
from myriad.publish.options import Options
from myriad.publish.report import Report
from tests import stores
from tests.publishing import Place


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[stores.Store]:
    with stores.served() as made:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
            monkeypatch.setenv(f"AWS_{name}", "x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
        made.objects["bucket/a.csv"] = b"n\n1\n"
        made.objects["bucket/b.csv"] = b"n\n2\n"
        yield made


def publish(place: Place, *sources: str, **options: Any) -> Report:
    given = Options(database=place.database, **{"if_changed": True, **options})
    return place.installation.publish(list(sources), given)


def told(report: Report) -> tuple[list[str], list[str]]:
    """Return the tables that were made, and those that were left."""
    left = [table for each in report.unchanged for table in each.tables]
    return [each.table.name for each in report.tables], left


def runs(place: Place) -> int:
    return len(place.installation.history(database=place.database))


@pytest.mark.nightly(by_day=["https", "s3"])
@pytest.mark.parametrize("kind", ["https", "s3", "file"])
def test_what_did_not_change_is_left_and_no_run_tells_of_it(
    kind: str, place: Place, store: stores.Store
) -> None:
    def write(text: bytes) -> str:
        store.objects["bucket/a.csv"] = text
        file = place.write("a.csv", text)
        known = {"https": f"{store.address}/bucket/a.csv?k=1", "s3": "s3://bucket/a.csv"}
        return known.get(kind, str(file))

    assert told(publish(place, write(b"n\n1\n"))) == (["a"], [])
    address, before = write(b"n\n1\n"), runs(place)
    report = publish(place, address)
    assert (told(report), report.run, runs(place)) == (([], ["a"]), "", before)
    assert told(publish(place, address, dry_run=True)) == ([], ["a"])
    assert told(publish(place, address, if_changed=None)) == ([], ["a"])  # remembered
    assert told(publish(place, write(b"n\n1\n2\n"))) == (["a"], [])
    assert place.one("SELECT count(*) FROM a") == 2
    assert told(publish(place, address, if_changed=False)) == (["a"], [])
    assert told(publish(place, address, if_changed=None)) == (["a"], [])


@pytest.mark.parametrize("kind", ["https", "s3", "file"])
def test_another_version_with_the_same_content_is_read_and_left(
    kind: str, place: Place, store: stores.Store
) -> None:
    file = place.write("a.csv", "n\n1\n")
    names = {"https": f"{store.address}/bucket/a.csv", "s3": "s3://bucket/a.csv"}
    name = names.get(kind, str(file))
    publish(place, name)
    store.changes = True
    os.utime(file, (1, 1))
    report = publish(place, name)
    assert told(report) == ([], ["a"])
    assert report.unchanged[0].why == "its content is the same"


def test_where_nothing_tells_it_is_published_and_said(place: Place, store: stores.Store) -> None:
    store.tells = set()
    for _ in range(2):
        report = publish(place, f"{store.address}/bucket/a.csv")
        assert any(
            "neither ETag nor Last-Modified" in note for note in report.tables[0].table.notes
        )
    store.tells = {"Last-Modified"}
    publish(place, f"{store.address}/bucket/a.csv")
    assert told(publish(place, f"{store.address}/bucket/a.csv")) == ([], ["a"])
    publish(place, f"{store.address}/bucket/a.csv?day=1")
    store.objects["bucket/a.csv"] = b"n\n7\n"  # the same Last-Modified: only the query tells
    assert told(publish(place, f"{store.address}/bucket/a.csv?day=2")) == (["a"], [])


def test_of_several_those_that_changed_are_published(place: Place, store: stores.Store) -> None:
    names = ["s3://bucket/a.csv", "s3://bucket/b.csv"]
    publish(place, *names)
    store.objects["bucket/b.csv"] = b"n\n3\n"
    assert told(publish(place, "s3://bucket/*.csv")) == (["b"], ["a"])
    store.objects["bucket/a.csv"] = b"n\n4\n"
    assert told(publish(place, *names, keep_going=True)) == (["a"], ["b"])


def test_one_table_of_several_is_left_as_a_whole_or_not_at_all(
    place: Place, store: stores.Store
) -> None:
    names = ["s3://bucket/a.csv", "s3://bucket/b.csv"]
    publish(place, *names, table="t")
    assert told(publish(place, *names, table="t")) == ([], ["t", "t"])
    assert told(publish(place, names[0], table="t")) == (["t"], [])
    publish(place, *names, table="t")
    store.objects["bucket/b.csv"] = b"n\n3\n"
    assert told(publish(place, *names, table="t")) == (["t"], [])
    assert place.ask("SELECT n FROM t ORDER BY n") == [(1,), (3,)]


def test_a_folder_changes_with_any_file_in_it(place: Place, store: stores.Store) -> None:
    publish(place, "s3://bucket/")
    assert sorted(told(publish(place, "s3://bucket/"))[1]) == ["a", "b"]
    store.objects["bucket/c.csv"] = b"n\n3\n"
    assert sorted(told(publish(place, "s3://bucket/"))[0]) == ["a", "b", "c"]
    folder = place.write("in/x.csv", "n\n1\n").parent
    publish(place, str(folder))
    assert told(publish(place, str(folder))) == ([], ["x"])
    place.write("in/y.csv", "n\n1\n")
    assert sorted(told(publish(place, str(folder)))[0]) == ["x", "y"]


def test_another_way_of_publishing_publishes_again(place: Place) -> None:
    name = str(place.write("a.csv", "n,m\n1,2\n"))
    publish(place, name)
    assert told(publish(place, name, types={"n": "text"})) == (["a"], [])
    assert told(publish(place, name, types={"n": "text"})) == ([], ["a"])
    assert told(publish(place, name, exclude=("m",))) == (["a"], [])
    assert told(publish(place, name)) == ([], ["a"])
    assert told(publish(place, name, table="other")) == (["other"], [])
    assert told(publish(place, name, table="other")) == ([], ["other"])
    assert told(publish(place, name)) == ([], ["a"])


def test_what_the_table_is_no_longer_is_published_again(place: Place) -> None:
    one = str(place.write("a.csv", "n\n1\n"))
    more = str(place.write("more.csv", "n\n2\n"))
    publish(place, one)
    publish(place, more, table="a", append=True)
    assert told(publish(place, more, table="a", append=True)) == ([], ["a"])
    assert told(publish(place, one)) == (["a"], [])  # which had more rows than that file
    assert told(publish(place, more, table="a", append=True)) == (["a"], [])
    publish(place, one)
    place.write("a.csv", "n\n5\n")
    publish(place, one)
    place.installation.undo("a", database=place.database)
    assert told(publish(place, one)) == (["a"], [])
    assert place.ask("SELECT n FROM a") == [(5,)]
    with place.connect() as connection:
        connection.execute("DROP TABLE a")
    assert told(publish(place, one)) == (["a"], [])


def test_a_table_of_before_there_were_marks_is_added_to(place: Place) -> None:
    publish(place, str(place.write("a.csv", "n\n1\n")))
    with place.connect() as connection:
        connection.execute("UPDATE myriad.published SET report = report - 'marks'")
    for number in (2, 3):
        more = str(place.write(f"more{number}.csv", f"n\n{number}\n"))
        for made in (["a"], []):
            assert told(publish(place, more, table="a", append=True))[0] == made
    assert place.one("SELECT count(*) FROM a") == 3


def test_only_what_might_be_left_is_told_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(place.write("a.csv", "n\n1\n"))
    publish(place, name)
    [same] = publish(place, name, if_changed=None).unchanged
    assert same.why == "it has the same size and time"
    stream = place.write("stream", "n\n1\n")
    told = {}
    for asked in (None, True):
        with stream.open() as piped:
            monkeypatch.setattr("sys.stdin", piped)
            report = publish(place, "-", table="st", if_changed=asked)
        told[asked] = [note for note in report.tables[0].table.notes if "nothing tells" in note]
    assert told == {None: [], True: ["nothing tells whether it changed since: it is a stream"]}


def test_a_table_that_got_another_name_is_published_anew_once(place: Place) -> None:
    publish(place, str(place.write("night.csv", "n\n1\n")))
    name = str(place.write("a.csv", "n\n1\n"))
    place.publish(name)
    place.installation.rename("a", "b", place.database)
    assert told(publish(place, name, table="b", if_changed=None)) == (["b"], [])
    assert told(publish(place, name, table="b")) == ([], ["b"])
    assert told(publish(place, name)) == (["a"], [])


def test_a_record_of_before_there_was_what_reports_have_now_stops_nothing(place: Place) -> None:
    name = str(place.write("a.csv", "n\n1\n"))
    publish(place, name)
    old = publish(place, name, if_changed=False).tables[0].as_data()
    always = {"table", "engine", "source", "rows", "columns", "notes", "primary_key", "made"}
    parts = sorted({*old} - always)
    assert {"came", "marks", "recipe", "used", "contract"} < {*parts}
    for table in ("published", "version"):
        place.ask(f"UPDATE myriad.{table} SET report = report - %s::text[]", [parts])
    where = "--database", place.database, "--home", str(place.installation.home.folder)
    for words in ("show", "history", "recipe"):
        done = CliRunner().invoke(cli.main, [words, "a", *where])
        assert done.exit_code == 0, done.output
    publish(place, str(place.write("a.csv", "n\n1\n2\n")))
    place.ask("UPDATE myriad.published SET report = report - %s::text[]", [parts])
    place.installation.undo("a", database=place.database)
    place.publish(place.write("a.csv", ""), allow=frozenset({Change.EMPTY}))
    assert place.one("SELECT count(*) FROM a") == 0


def test_a_source_that_cannot_be_asked_is_an_error(place: Place, store: stores.Store) -> None:
    publish(place, f"{store.address}/bucket/a.csv")
    store.objects.clear()
    with pytest.raises(SourceError, match="404"):
        publish(place, f"{store.address}/bucket/a.csv")
    assert place.ask("SELECT n FROM a") == [(1,)]
