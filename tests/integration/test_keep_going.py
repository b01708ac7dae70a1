"""`--keep-going`: a file that cannot be published keeps no other from it, also in a folder."""

import json
import tarfile
import zipfile

from tests.harness import run
from tests.publishing import Place


def test_one_bad_file_of_a_folder_stops_no_other(place: Place) -> None:
    place.write("in/a.csv", "id\n1\n")
    bad = place.write("in/b.parquet", "no parquet")
    place.write("in/deep.csv", "id\n3\n")
    place.write("in/notes.xyz", "\0\1\2 of no known format")
    with zipfile.ZipFile(place.folder / "in/packed.zip", "w") as packed:
        packed.writestr("inner.csv", "id\n4\n")
    command = ("publish", str(place.folder / "in"), "--database", place.database)
    alone = run(place.installation.home, *command)
    assert alone.returncode == 1, alone.stderr
    done = run(place.installation.home, *command, "--keep-going", "--json")
    assert done.returncode == 5, done.stderr
    report = json.loads(done.stdout)
    assert [table["table"] for table in report["tables"]] == ["a", "deep", "inner"]
    assert [failure["source"] for failure in report["failed"]] == [str(bad)]
    bad.unlink()
    whole = place.publish(place.folder / "in", keep_going=True)
    assert not whole.failed
    assert [table.table.name for table in whole.tables] == ["a", "deep", "inner"]


def test_a_file_of_a_folder_that_breaks_its_contract_stops_no_other(place: Place) -> None:
    place.write("in/a.csv", "id,v\n1,x\n")
    bad = place.write("in/b.csv", "id,v\n1,x\n")
    place.publish(place.folder / "in")
    place.write("in/a.csv", "id,v\n2,y\n")
    place.write("in/b.csv", "other\n1\n")
    report = place.publish(place.folder / "in", keep_going=True)
    assert [failure.source for failure in report.failed] == [str(bad)]
    assert place.ask("SELECT * FROM a") == [(2, "y")]
    assert place.ask("SELECT * FROM b") == [(1, "x")]


def test_what_a_folder_lacks_is_still_said(place: Place) -> None:
    place.write("in/a.csv", "id\n1\n")
    gone = place.write("in/b.csv", "id\n1\n")
    place.publish(place.folder / "in")
    gone.unlink()
    report = place.publish(place.folder / "in", keep_going=True)
    (failure,) = report.failed
    assert failure.source == str(place.folder / "in")
    assert "b" in failure.error.message
    assert [table.table.name for table in report.tables] == ["a"]


def test_partitions_are_one_table_or_none(place: Place) -> None:
    place.write("in/a.csv", "id\n1\n")
    for month, text in (("01", "id\n1\n"), ("02", "other\n1\n")):
        (place.folder / f"in/month={month}").mkdir(parents=True)
        place.write(f"in/month={month}/x.csv", text)
    with tarfile.open(place.folder / "in/packed.tar.gz", "w:gz") as packed:
        packed.add(place.folder / "in/a.csv", "inner.csv")
    report = place.publish(place.folder / "in", keep_going=True)
    assert sorted(table.table.name for table in report.tables) == ["a", "inner"]
    (failure,) = report.failed
    assert "has other columns than" in failure.error.message
    bad = place.write("in/b.parquet", "no parquet")
    report = place.publish(place.folder / "in", keep_going=True)
    assert [each.source for each in report.failed] == [str(bad), str(place.folder / "in")]
