"""What is remembered of how a table is published, and types, names and columns by hand."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import ContractRefused, PublishError, TooManyRejects, UsageError
from myriad.publish import recipes
from myriad.publish.report import Report
from myriad.sources.options import ReadOptions
from tests.harness import run
from tests.publishing import Place

TEXT = "id;Name;price;n\n1;Rose;1.50;none\n2;Bruno;2.25;4\n"


def publish(place: Place, text: str = TEXT, **options: Any) -> Report:
    return place.publish(place.write("t.csv", text), **options)


def test_the_next_publish_uses_what_was_said_and_says_so(place: Place) -> None:
    publish(
        place,
        keys={"": ("id",)},
        types={"price": "numeric(10,2)"},
        renames={"Name": "who"},
        exclude=("n",),
        read=ReadOptions(delimiter=";", nulls=("none",)),
    )
    kinds = {"id": "bigint", "who": "text", "price": "numeric(10,2)"}
    assert place.columns("t") == kinds
    (table,) = publish(place, TEXT.replace("Rose", "Ada")).tables
    assert place.columns("t") == kinds
    assert place.ask("SELECT who FROM t ORDER BY id") == [("Ada",), ("Bruno",)]
    assert table.used == (
        "--key id --type 'price=numeric(10,2)' --rename Name=who --exclude n --delimiter ';'"
        " --null none"
    )


def test_what_is_said_now_wins_and_is_remembered(place: Place) -> None:
    publish(place, types={"n": "text"})
    publish(place, types={"n": "text", "price": "real"})
    assert place.installation.recipe("t", place.database).type == {"n": "text", "price": "real"}
    publish(place, columns=("price", "id"), contract="free")
    assert list(place.columns("t")) == ["price", "id"]
    publish(place, exclude=("id",), contract="free")
    assert list(place.columns("t")) == ["name", "price", "n"]


def test_a_dry_run_a_check_and_a_failed_publish_remember_nothing(place: Place) -> None:
    publish(place)
    publish(place, dry_run=True, types={"n": "text"})
    publish(place, check=True, types={"n": "text"})
    with pytest.raises(TooManyRejects):
        publish(place, "id;Name;price;n\n1;x\n", types={"n": "text"})
    assert place.installation.recipe("t", place.database).type == {}


def test_a_type_by_hand_proves_its_values(place: Place) -> None:
    with pytest.raises(TooManyRejects, match="line 2: n: the value does not fit integer"):
        publish(place, types={"n": "int"})
    report = publish(place, types={"n": "int", "id": "smallint"}, max_rejects=1)
    assert [reject.line for reject in report.rejects] == [2]
    assert place.columns("t")["n"] == "integer"
    assert place.columns("t")["id"] == "smallint"


@pytest.mark.parametrize(
    "options",
    [
        {"types": {"id": "money"}},
        {"types": {"nothing": "text"}},
        {"renames": {"id": "name"}},
        {"renames": {"nothing": "name"}},
        {"columns": ("id", "nothing")},
        {"columns": ("id",), "exclude": ("id",)},
        {"contract": "never"},
        {"types": {"id": "numeric(1001,2)"}},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    place: Place, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as caught:
        publish(place, **options)
    assert caught.value.hint
    assert place.relations() == set()


def test_options_for_columns_go_to_the_tables_that_have_them(place: Place) -> None:
    one, two = place.write("one.csv", "a,b\n1,2\n"), place.write("two.csv", "b,c\n1,2\n")
    place.publish(one, two, types={"a": "real"}, exclude=("c",))
    assert place.columns("one") == {"a": "real", "b": "bigint"}
    assert place.columns("two") == {"b": "bigint"}
    assert place.installation.recipe("one", place.database).exclude == ()
    assert place.installation.recipe("two", place.database).type == {}


def test_renamed_and_excluded_columns_are_no_breach_when_said(place: Place) -> None:
    publish(place, keys={"": ("id",)})
    (table,) = publish(place, renames={"id": "nr"}, exclude=("n",)).tables
    assert table.table.primary_key == ("nr",)
    with pytest.raises(ContractRefused, match="column name is gone"):
        publish(place, "id;price\n1;2.5\n")


def test_keys_and_indexes_go_with_a_column_that_is_left_out(place: Place) -> None:
    with pytest.raises(PublishError, match="no column 'id' for its key"):
        publish(place, keys={"": ("id",)}, exclude=("id",))


def test_the_command_shows_changes_exports_and_imports(place: Place, tmp_path: Path) -> None:
    home, options = place.installation.home, ("--database", place.database)
    publish(place, keys={"": ("id",)})
    shown = run(home, "recipe", "t", *options)
    assert "t: --key id" in shown.stdout
    done = run(home, "recipe", "t", *options, "--set", "type=price=real", "--set", "contract=free")
    assert "--type price=real --contract free" in done.stdout
    exported = run(home, "recipe", "public.t", *options, "--export").stdout
    file = tmp_path / "t.json"
    file.write_text(exported, encoding="utf-8")
    assert json.loads(exported)["type"] == {"price": "real"}
    run(home, "recipe", "t", *options, "--forget", "all")
    assert "has no recipe" in run(home, "recipe", "t", *options).stdout
    assert run(home, "recipe", "t", *options, "--import", str(file)).returncode == 0
    assert run(home, "recipe", "t", *options, "--export").stdout == exported
    publish(place)
    assert place.columns("t")["price"] == "real"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{" * 100_000,
        '{"nonsense": 1}',
        '{"type": {"a": 1}}',
        '{"type": {"a": "money"}}',
        '{"skip": -1}',
        '{"header": "yes"}',
        '{"key": "a/b/c"}',
        '{"delimiter": "abcde"}',
        "9" * 1_000_001,
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_is_no_recipe_is_refused(place: Place, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text, encoding="utf-8")
    home = place.installation.home
    done = run(home, "recipe", "t", "--database", place.database, "--import", str(file))
    assert done.returncode == 2, done.stderr
    assert "hint:" in done.stderr
    assert "defect" not in done.stderr


def test_a_recipe_comes_back_from_its_own_words(place: Place) -> None:
    said = recipes.Recipe(
        sources=("a b.csv",),
        key="id,d/e:desc",
        type={"x y": "text"},
        rename={"a=b": "c"},
        columns=("q",),
        keep_names=False,
        max_rejects=3,
        contract="safe",
        delimiter=";",
        quote="'",
        encoding="utf-16",
        header=True,
        null=("n/a", "-"),
        skip=2,
    )
    assert recipes.from_data(said.as_data()) == said
    place.installation.set_recipe("t", said, place.database)
    assert place.installation.recipe("t", place.database) == said


def test_a_column_called_like_one_that_every_table_has_gets_another_name(place: Place) -> None:
    file = place.write("t.csv", "id,xmin,ctid\n1,0.5,a\n")
    place.publish(file)
    assert place.one("SELECT xmin_2 FROM t WHERE ctid_2 = 'a'") == Decimal("0.5")
    with pytest.raises(UsageError, match="every table has a column xmax already"):
        place.publish(file, renames={"id": "xmax"})
