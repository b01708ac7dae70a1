"""`myriad publish` as people run it: what it says, where, and with which exit code."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from myriad import Myriad
from tests.harness import run, run_process
from tests.publishing import Place


@pytest.fixture
def place(installation: Myriad, database: str, tmp_path: Path) -> Place:
    return Place(installation, database, tmp_path)


def publish(
    place: Place, *arguments: str | Path, stdin: bytes = b"", options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder of the files."""
    into = ("--database", place.database)
    home = place.installation.home
    done = run(home, "publish", *arguments, *into, *options, given=stdin, folder=place.folder)
    assert "Traceback" not in done.stderr
    return done


def test_done_is_0_and_the_report_names_tables_types_and_reasons(place: Place) -> None:
    place.write("My Sales.csv", "Id,Total Price\n1,2.50\n2,3.75\n")
    done = publish(place, "My Sales.csv", options=["--key", "id"])
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{place.database}.public.my_sales: created, 2 rows (from My Sales.csv)" in done.stdout
    assert "id           bigint   whole numbers from 1 to 2" in done.stdout
    assert "total_price  numeric  decimals with up to 2 places, exact" in done.stdout
    assert "key: id" in done.stdout
    assert place.ask("SELECT id, total_price::text FROM my_sales ORDER BY id") == [
        (1, "2.50"), (2, "3.75"),
    ]  # fmt: skip


def test_a_report_that_cannot_be_written_does_not_deny_what_was_published(place: Place) -> None:
    path = place.write("t.csv", "a\n1\n")
    home = ["--home", str(place.installation.home.folder), "--database", place.database]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "myriad", "publish", *home, path],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0
    assert "published; but the report could not be written: No space left" in done.stderr
    assert place.one("SELECT a FROM t") == 1


def test_the_report_is_data_for_machines(place: Place) -> None:
    place.write("t.csv", "a\n1\n")
    done = publish(place, "t.csv", options=["--json"])
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (report["rows"], report["rejects"], report["database"]) == (1, 0, place.database)
    assert report["tables"][0]["columns"][0]["type"] == "bigint"
    assert report["seconds"] > 0


def test_a_refusal_is_1_with_a_hint_and_nothing_on_standard_output(place: Place) -> None:
    place.write("t.csv", "a,b\n1,x\n1,y\n")
    done = publish(place, "t.csv", options=["--key", "a"])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: (a) is not unique in t:\n  (1) 2 times\nhint: ")


def test_a_refusal_is_data_too(place: Place) -> None:
    done = publish(place, "none.csv", options=["--json"])
    error = json.loads(done.stderr)
    assert (done.returncode, error["type"]) == (1, "SourceError")
    assert error["error"] == "none.csv: no such file"
    assert error["hint"]


USAGE = {
    "no source": [],
    "an unknown option": ["t.csv", "--frobnicate"],
    "a long delimiter": ["t.csv", "--delimiter", "abcde"],
    "a newline as delimiter": ["t.csv", "--delimiter", "\n"],
    "both": ["t.csv", "--replace", "--append"],
    "a key without a column": ["t.csv", "--key", "t="],
    "a key of another table": ["t.csv", "--key", "u=a"],
    "negative rejects": ["t.csv", "--max-rejects", "-1"],
    "no number of rejects": ["t.csv", "--max-rejects", "many"],
    "an empty table name": ["t.csv", "--table", ""],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_bad_usage_is_2(place: Place, arguments: list[str]) -> None:
    place.write("t.csv", "a\n1\n")
    done = publish(place, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert place.relations() == set()


def test_rejects_are_3_and_the_file_is_named(place: Place) -> None:
    place.write("t.csv", "a,b\n1,x\n2\n")
    refused = publish(place, "t.csv")
    assert refused.returncode == 1
    assert "line 3: 1 field where 2 are expected: '2'" in refused.stderr
    assert "--max-rejects" in refused.stderr
    done = publish(place, "t.csv", options=["--max-rejects", "1"])
    assert done.returncode == 3
    assert "1 reject in " in done.stdout
    file = Path(done.stdout.rstrip().rpartition(" reject in ")[2])
    (reject,) = map(json.loads, file.read_text().splitlines())
    assert (reject["line"], reject["raw"]) == (3, "2")
    assert place.ask("SELECT a, b FROM t") == [(1, "x")]


def test_some_are_5_and_those_that_were_not_published_are_named(place: Place) -> None:
    place.write("kept.csv", "a\n1\n")
    publish(place, "kept.csv")
    place.write("kept.csv", "a\n")
    place.write("good.csv", "a\n2\n")
    done = publish(place, "kept.csv", "missing.csv", "good.csv", options=["--keep-going"])
    assert done.returncode == 5
    assert f"{place.database}.public.good: created, 1 row (from good.csv)" in done.stdout
    assert "not published: kept.csv: what is there would change for the worse" in done.stdout
    assert "not published: missing.csv: no such file" in done.stdout
    assert place.ask("SELECT a FROM kept UNION ALL SELECT a FROM good") == [(1,), (2,)]
    done = publish(place, "kept.csv", options=["--keep-going", "--json"])
    assert [one["source"] for one in json.loads(done.stdout)["failed"]] == ["kept.csv"]
    assert done.returncode == 5


STDIN = {
    "CSV": b"a,b\n1,x\n",
    "compressed CSV": gzip.compress(b"a,b\n1,x\n"),
    "JSON Lines": b'{"a": 1, "b": "x"}\n',
    "CSV with a mark": b"\xef\xbb\xbfa,b\n1,x\n",
}


@pytest.mark.parametrize("data", STDIN.values(), ids=STDIN)
def test_standard_input_is_told_by_its_content(place: Place, data: bytes) -> None:
    done = publish(place, "-", stdin=data, options=["--table", "t"])
    assert done.returncode == 0, done.stderr
    assert "(from standard input)" in done.stdout
    assert place.ask("SELECT a, b FROM t") == [(1, "x")]
    assert list(place.installation.home.temporary.iterdir()) == []


UNREADABLE = {
    "an empty file": ("t.csv", b"", "t.csv: the file is empty"),
    "an image": ("t.csv", b"\x89PNG\r\n\x1a\n" + bytes(50), "t.csv: this is a PNG image, not text"),
    "a truncated archive": ("t.csv.gz", gzip.compress(os.urandom(5000))[:2000], "is cut short"),
    "an empty archive": ("t.csv.gz", gzip.compress(b""), "the file is empty"),
    "another format": ("t.doc", b"a\n1\n", "t.doc: the ending .doc is not known"),
}


@pytest.mark.parametrize(("name", "data", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_1_and_named(
    place: Place, name: str, data: bytes, said: str
) -> None:
    place.write(name, data)
    done = publish(place, name)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "\nhint: " in done.stderr
    assert list(place.installation.home.temporary.iterdir()) == []


def test_a_file_that_may_not_be_read_is_named(place: Place) -> None:
    path = place.write("t.csv", "a\n1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    done = publish(place, "t.csv")
    assert done.returncode == 1
    assert "not allowed to read it" in done.stderr


def test_a_pipe_is_no_file(place: Place) -> None:
    os.mkfifo(place.folder / "t.csv")
    done = publish(place, "t.csv")
    assert done.returncode == 1
    assert "not a regular file" in done.stderr
    assert "myriad publish -" in done.stderr


@pytest.mark.parametrize("extra", [[], ["--json"]], ids=["text", "json"])
def test_a_name_that_is_no_unicode_can_be_printed(place: Place, extra: list[str]) -> None:
    name = os.fsdecode(b"sales\xff.csv")
    place.write(name, "a\n1\n2\n")
    into = ("--home", place.installation.home.folder, "--database", place.database, "--table", "t")
    done = run_process("publish", name, *into, *extra, folder=place.folder)
    assert done.returncode == 0, done.stderr
    assert "sales" in done.stdout
    assert place.one("SELECT count(*) FROM t") == 2


def test_the_options_of_csv_reach_the_reader(place: Place) -> None:
    text = "~1\t~;é;n/a\n2;è;-\n"
    place.write("t.csv", text.encode("latin-1"))
    done = publish(
        place, "t.csv",
        options=["--delimiter", ";", "--quote", "~", "--encoding", "latin-1", "--no-header",
                 "--null", "n/a", "--null", "-", "--keep-names", "--table", "My T"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert place.ask('SELECT * FROM "My T" ORDER BY 1') == [("1\t", "é", None), ("2", "è", None)]


def test_a_dry_run_prints_statements_that_psql_takes(place: Place) -> None:
    place.write("t.csv", 'id,"It\'s ""x"""\n1,y\n')
    done = publish(place, "t.csv", options=["--dry-run", "--key", "id"])
    assert done.returncode == 0
    assert "nothing was loaded" in done.stdout
    assert place.relations() == set()
    begin, end = done.stdout.index("CREATE TABLE"), done.stdout.rindex(";") + 1
    place.ask(done.stdout[begin:end])
    assert place.columns("t") == {"id": "bigint", "it_s_x": "text"}
    assert place.comments("t")["it_s_x"] == 'It\'s "x"'


def test_list_and_show_tell_of_it(place: Place) -> None:
    place.write("t.csv", "a,b\n1,x\n2\n")
    publish(place, "t.csv", options=["--max-rejects", "1"])

    def said(*arguments: str) -> str:
        return run(place.installation.home, *arguments).stdout

    assert any(
        row["database"] == place.database and row["name"] == "t" and row["rows"] == 1
        for row in json.loads(said("list", "--json"))
    )
    assert place.database in said("list")
    shown = said("show", "t", "--database", place.database)
    assert "public.t: 1 row, from t.csv" in shown
    assert "reject: t.csv, line 3: 1 field where 2 are expected: '2'" in shown
