"""The contract of a table in Cassandra: what publishing it again may change."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace

import pytest

from myriad.errors import ContractRefused, PublishError, UsageError
from myriad.publish import recipe_record
from myriad.publish.contract import Change
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options
from tests.keyspaces import Space

DAYS = "carrier,day,price,note\n" + "".join(
    f"{'AB'[n % 2]},{n % 28 + 1:02}.12.2024,{n}.50,n{n}\n" for n in range(120)
)
KEY = "carrier/day,note"
WORSE: Mapping[str, tuple[str, list[Change], str]] = {
    "no rows": (DAYS.splitlines()[0] + "\n", [Change.EMPTY], "no rows, where there were 120"),
    "fewer than half": (
        "".join(DAYS.splitlines(keepends=True)[:40]),
        [Change.SHRINK],
        "39 rows, where there were 120",
    ),
    "a column gone": (
        "".join(",".join([*line.split(",")[:2], line.split(",")[3]]) + "\n"
                for line in DAYS.splitlines()),
        [Change.COLUMNS],
        "column price is gone",
    ),
    "the key's column renamed": (
        DAYS.replace("carrier", "company", 1),
        [Change.COLUMNS, Change.KEY],
        "column carrier is gone; new in the source: company",
    ),
    "a culprit among numbers": (
        DAYS.replace("3.50", "none", 1),
        [Change.TYPES],
        "line 5: price: the value does not fit numeric",
    ),
    "a key that is not unique": (DAYS + DAYS.splitlines()[1] + "\n", [Change.KEY], "2 rows"),
    "a column without values": (
        "".join(
            line if not number else ",".join([*line.split(",")[:2], "", line.split(",")[3]])
            for number, line in enumerate(DAYS.splitlines(keepends=True))
        ),
        [Change.NULLS],
        "no value in column price",
    ),
}  # fmt: skip


def test_what_is_worse_is_refused_and_changes_nothing(space: Space) -> None:
    space.publish(space.write("days.csv", DAYS), KEY)
    before = sorted(space.ask("SELECT * FROM {}.days"))
    for text, expected, said in WORSE.values():
        with pytest.raises(ContractRefused) as caught:
            space.publish(space.write("days.csv", text))
        listed = caught.value.details["differences"]
        assert isinstance(listed, list)
        assert [each["change"] for each in listed] == expected[: len(listed)], caught.value
        assert said in caught.value.message
    assert sorted(space.ask("SELECT * FROM {}.days")) == before
    (table,) = space.publish(
        space.write("days.csv", WORSE["fewer than half"][0]), allow=frozenset({Change.SHRINK})
    ).tables
    assert [each.change for each in table.allowed] == [Change.SHRINK]
    assert len(space.ask("SELECT * FROM {}.days")) == 39


def test_types_stay_and_are_changed_only_where_that_is_allowed(space: Space) -> None:
    space.publish(space.write("t.csv", "a,n\n1,1.5\n2,2.5\n"), "a")
    (table,) = space.publish(space.write("t.csv", "a,n\n1,1\n2,2\n")).tables
    assert table.types == {"a": "bigint", "n": "decimal"}
    with pytest.raises(ContractRefused, match="the value does not fit numeric"):
        space.publish(space.write("t.csv", "a,n\n1,x\n2,2\n"))
    path = space.write("t.csv", "a,n\n1,x\n2,2\n")
    (table,) = space.publish(path, allow=frozenset({Change.TYPES})).tables
    assert table.types == {"a": "bigint", "n": "text"}
    assert any("made anew" in note for note in table.notes)
    (table,) = space.publish(path, types={"a": "text"}).tables
    assert table.types["a"] == "text"


@pytest.mark.nightly(
    daily="tests/integration/test_contract_cassandra.py::"
    "test_types_stay_and_are_changed_only_where_that_is_allowed"
)
def test_what_was_said_is_remembered_for_both_engines(space: Space) -> None:
    path = space.write("t.csv", "a;n;x\n1;none;1\n2;2;1\n")
    space.publish(path, "a", to="both", exclude=("x",), renames={"n": "m"}, types={"m": "text"})
    tables = space.publish(path, to="both").tables
    for table in tables:
        assert [table.type_of(column) for column in table.table.columns] == ["bigint", "text"]
        assert table.used == "--key a --type m=text --rename n=m --exclude x"


@pytest.mark.nightly(
    daily="tests/integration/test_tables_that_come_no_more.py::"
    "test_what_comes_no_more_is_refused_or_said"
)
def test_a_table_that_comes_no_more_is_refused_or_said(space: Space) -> None:
    path = space.write("packed.zip", "")
    for names in (("za", "zb", "zc"), ("za", "zc")):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(f"{name}.csv", "n\n1\n")
        if "zb" in names:
            keys = parse_keys(["za=n", "zb=n", "zc=n"])
            options = Options(keys=keys, to="cassandra", dataset=space.dataset)
            space.installation.publish([path], options)
    with pytest.raises(ContractRefused, match="zb: it came from"):
        space.publish(path)
    report = space.publish(path, allow=frozenset({Change.TABLES}))
    assert any("zb: it came from" in note for note in report.tables[0].table.notes)
    assert space.ask("SELECT * FROM {}.zb") == [(1,)]


def test_a_remembered_key_of_no_column_is_never_another_one(space: Space) -> None:
    path = space.write("t.csv", "id,v\n1,x\n")
    space.publish(path, "id")
    installation, place = space.installation, (space.installation.settings.database, space.dataset)
    recipe = installation.recipe(f"{space.dataset}.t")
    recipe_record.save(installation.server(), place, {"t": replace(recipe, key="nix")})
    with pytest.raises(PublishError, match="no column 'nix' for its key, which its recipe has"):
        space.publish(path)
    with pytest.raises(UsageError, match=r"--key: .*t has no column 'other'"):
        installation.set_recipe(f"{space.dataset}.t", replace(recipe, key="other"))
