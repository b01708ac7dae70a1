"""Publishing again: replace, dry run, rejects."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import (
    ContractRefused,
    KeyRefused,
    PublishError,
    SchemaRefused,
    SourceError,
    TooManyRejects,
    UsageError,
)
from myriad.publish.contract import Change
from myriad.publish.options import Options, Step
from tests.publishing import Place, csv_checksums


def test_publishing_again_replaces_the_rows(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n2,y\n"))
    report = place.publish(place.write("t.csv", "a,b\n3,z\n"))
    assert report.tables[0].action == "replaced"
    assert report.tables[0].difference == []
    assert place.ask("SELECT * FROM t") == [(3, "z")]


def test_a_changed_schema_is_shown_as_a_difference(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b,c\n1,x,5\n"))
    path = place.write("t.csv", "a,c,d\n1,5.5,7\n")
    report = place.publish(path, contract="free")
    assert sorted(report.tables[0].difference) == [
        "+ d bigint",
        "- b text",
        "~ c bigint → numeric",
    ]
    assert place.columns("t") == {"a": "bigint", "c": "numeric", "d": "bigint"}


def test_a_key_is_kept_unless_another_is_asked_for(place: Place) -> None:
    path = place.write("t.csv", "a,b\n1,x\n")
    place.publish(path, keys={"": ("a",)})
    again = place.publish(path)
    assert again.tables[0].table.primary_key == ("a",)
    assert again.tables[0].difference == []
    other = place.publish(path, keys={"": ("b",)})
    assert other.tables[0].difference == ["- primary key (a)", "+ primary key (b)"]
    gone = place.publish(place.write("t.csv", "a\n1\n"), contract="free")
    assert gone.tables[0].difference == ["- b text", "- primary key (b)"]


def test_a_table_of_somebody_else_is_refused_unless_told(place: Place) -> None:
    place.ask("CREATE TABLE public.t AS SELECT 42 AS mine")
    path = place.write("t.csv", "a\n1\n")
    with pytest.raises(SchemaRefused, match="Myriad did not publish it") as caught:
        place.publish(path)
    assert "--replace" in caught.value.hint
    assert place.ask("SELECT mine FROM t") == [(42,)]
    place.publish(path, replace=True)
    assert place.ask("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN"])
def test_a_name_that_belongs_to_something_else_is_refused(place: Place, kind: str) -> None:
    made = {
        "VIEW": "CREATE VIEW public.t AS SELECT 1 AS a",
        "MATERIALIZED VIEW": "CREATE MATERIALIZED VIEW public.t AS SELECT 1 AS a",
        "SEQUENCE": "CREATE SEQUENCE public.t",
        "FOREIGN": "CREATE TABLE public.t (a int) PARTITION BY LIST (a)",
    }
    place.ask(made[kind])
    with pytest.raises(SchemaRefused, match="no plain table"):
        place.publish(place.write("t.csv", "a\n1\n"), replace=True)


def test_replace_and_append_exclude_each_other(place: Place) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        place.publish(place.write("t.csv", "a\n1\n"), replace=True, append=True)


def test_a_dry_run_loads_nothing_and_its_statements_run_as_they_are(place: Place) -> None:
    header = '"Total ""Price""",select,Größe,id,at\n'
    path = place.write("My T;able.csv", header + "1.5,a,b,7,2024-01-01\n2,c,d,8,2024-01-02\n")
    report = place.publish(path, dry_run=True, keys={"": ("id",)}, dataset="new one")
    assert report.dry_run
    assert (
        place.ask("SELECT nspname FROM pg_namespace WHERE nspname IN ('new one', 'myriad')") == []
    )
    place.ask('CREATE SCHEMA "new one"')
    place.ask(report.tables[0].ddl)
    by_hand = place.columns("my_t_able", "new one"), place.comments("my_t_able")
    place.ask('DROP SCHEMA "new one" CASCADE')
    place.publish(path, keys={"": ("id",)}, dataset="new one")
    assert (place.columns("my_t_able", "new one"), place.comments("my_t_able")) == by_hand


def test_a_dry_run_shows_what_would_change(place: Place) -> None:
    place.publish(place.write("t.csv", "a\n1\n"))
    report = place.publish(place.write("t.csv", "a,b\n1,x\n"), dry_run=True)
    assert report.tables[0].difference == ["+ b text"]
    assert place.columns("t") == {"a": "bigint"}


def test_a_dry_run_makes_no_database(place: Place) -> None:
    report = place.publish(place.write("t.csv", "a\n1\n"), database="nowhere", dry_run=True)
    assert [table.action for table in report.tables] == ["created"]
    assert place.ask("SELECT FROM pg_database WHERE datname = 'nowhere'") == []


BROKEN = "a,b\n1,x\n2\n3,y\n4,z,w\n5,\0\n"


def test_rejects_fail_the_publish_and_the_first_are_shown(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n7,old\n"))
    with pytest.raises(TooManyRejects) as caught:
        place.publish(place.write("t.csv", BROKEN), max_rejects=2)
    assert "3 records do not fit, 2 are allowed" in caught.value.message
    assert "line 3: 1 field where 2 are expected: '2'" in caught.value.message
    assert place.ask("SELECT * FROM t") == [(7, "old")]
    assert place.one("SELECT count(*) FROM myriad.reject") == 0


def test_rejects_are_kept_in_a_table_and_a_file(place: Place) -> None:
    path = place.write("t.csv", BROKEN)
    report = place.publish(path, max_rejects=3)
    assert place.ask("SELECT a, b FROM t ORDER BY a") == [(1, "x"), (3, "y")]
    kept = place.ask(
        "SELECT line, raw, reason, source, table_name FROM myriad.reject ORDER BY line"
    )
    assert [row[:2] for row in kept] == [(3, "2"), (5, "4,z,w"), (6, "5,\\x00")]
    assert {row[3:] for row in kept} == {(str(path), "t")}
    assert all(row[2] for row in kept)
    assert report.rejects_file
    file = Path(report.rejects_file)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert sorted((e["line"], e["raw"], e["reason"]) for e in lines) == [row[:3] for row in kept]
    assert file.stat().st_mode & 0o777 == 0o600
    shown = place.installation.describe("t", place.database)
    assert [r["line"] for r in shown["first_rejects"]] == [3, 5, 6]


def test_many_rejects_end_the_publish_early(place: Place) -> None:
    path = place.write("t.csv", "a,b\n" + "1\n" * 30_000)
    with pytest.raises(TooManyRejects, match="or more records do not fit, 5 are allowed"):
        place.publish(path, max_rejects=5)


def test_types_do_not_make_rejects(place: Place) -> None:
    """With rejects allowed, a value that contradicts the guess still widens the column."""
    pad = "p" * 100  # for more than the first megabyte, which is looked at whole
    text = (
        "id,v,pad\n" + "".join(f"{n},1,{pad}\n" for n in range(15_000)) + f"x\n15000,none,{pad}\n"
    )
    path = place.write("t.csv", text)
    report = place.publish(path, max_rejects=1)
    assert [r.raw for r in report.rejects] == ["x"]
    assert place.columns("t") == {"id": "bigint", "v": "text", "pad": "text"}
    clean = place.write("clean.csv", text.replace("x\n", ""))
    assert place.checksums("t") == csv_checksums(clean)


def test_two_publishes_of_one_table_at_once_do_not_mix(place: Place) -> None:
    path = place.write("t.csv", "a\n1\n")
    place.publish(path)

    def second(step: Step) -> None:
        if step.phase == "building keys":
            with pytest.raises(PublishError, match="being changed by somebody else"):
                place.publish(path)
            seen.append(step)

    seen: list[Step] = []
    place.publish(place.write("t.csv", "a\n2\n"), progress=second)
    assert len(seen) == 1
    assert place.ask("SELECT a FROM t") == [(2,)]


def test_two_publishes_of_different_tables_run_beside_each_other(place: Place) -> None:
    """Also the very first ones of a database, into a dataset that is not there yet."""
    one, two = place.write("one.csv", "a\n1\n"), place.write("two.csv", "a\n2\n")

    def beside(step: Step) -> None:
        if step.phase == "building keys":
            place.publish(two, dataset="other")
            seen.append(step)

    seen: list[Step] = []
    place.publish(one, dataset="new", progress=beside)
    assert len(seen) == 1
    assert place.ask("SELECT * FROM new.one, other.two") == [(1, 2)]


def test_many_first_publishes_at_once_all_succeed(place: Place) -> None:
    paths = [place.write(f"t{n}.csv", f"a\n{n}\n") for n in range(6)]

    def publish(path: Path) -> None:
        options = Options(database=place.database, dataset="fresh")
        place.installation.publish([path], options)

    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(publish, paths))
    assert place.ask("SELECT a FROM fresh.t5") == [(5,)]
    assert len([r for r in place.relations() if r.startswith("fresh.")]) == 6


def test_a_failed_publish_leaves_nothing_behind(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"))
    before = place.relations()
    failures: list[tuple[Path, dict[str, Any], type[Exception]]] = [
        (place.write("t.csv", "a,b\n1,x\n1,y\n"), {"keys": {"": ("a",)}}, KeyRefused),
        (place.write("u.csv", "a,b\n1\n"), {}, TooManyRejects),
        (place.folder / "none.csv", {}, SourceError),
    ]
    for path, options, kind in failures:
        with pytest.raises(kind):
            place.publish(path, **options)
    assert place.relations() == before
    assert place.ask("SELECT * FROM t") == [(1, "x")]
    home = place.installation.home
    assert list(home.temporary.iterdir()) == []


EMPTY = {
    "t.csv": b"",
    "blank.csv": b"\n\n",
    "t.jsonl": b"",
    "list.json": b"[]",
    "t.csv.gz": gzip.compress(b""),
}


@pytest.mark.nightly(by_day=["t.csv", "list.json"])
@pytest.mark.parametrize(("name", "content"), EMPTY.items(), ids=EMPTY)
def test_an_empty_file_empties_a_table_only_if_it_may_and_its_columns_stay(
    place: Place, name: str, content: bytes
) -> None:
    place.publish(place.write("t.csv", "Nr,v\n1,a\n"), table="t", renames={"Nr": "id"})
    before = place.columns("t")
    path = place.write(f"empty/{name}", content)
    with pytest.raises(SourceError, match=r"the file is empty|there is no record in it"):
        place.publish(path, table="another")
    with pytest.raises(ContractRefused, match="no rows, where there were 1"):
        place.publish(path, table="t")
    assert place.ask("SELECT * FROM t") == [(1, "a")]
    report = place.publish(path, table="t", allow=frozenset({Change.EMPTY}))
    assert "the file is empty" in " ".join(report.tables[0].table.notes)
    assert place.ask("SELECT * FROM t") == []
    assert place.columns("t") == before
    place.publish(place.write("t.csv", "Nr,v\n2,b\n"), table="t")
    assert place.ask("SELECT id, v FROM t") == [(2, "b")]
