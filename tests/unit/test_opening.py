"""What is remembered of how a file is read is named where the file cannot be read so."""

from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError, UsageError
from myriad.publish.opening import Opening
from myriad.publish.options import Options
from myriad.publish.recipes import READING, Recipe, told
from myriad.sources.base import Workspace
from myriad.sources.options import ReadOptions

NOBODY: Any = None  # nothing is asked of the server


def refused(folder: Path, known: Recipe, said: ReadOptions) -> str:
    (folder / "a.json").write_text('[{"n": 1}]')
    opening = Opening(NOBODY, "main", "hr", Options(read=said), {"a": known})
    with pytest.raises((SourceError, UsageError)) as caught:
        opening.opened([folder / "a.json"], Workspace.within(folder, 400))
    return caught.value.hint


def test_an_error_names_what_a_recipe_says_and_this_command_does_not(tmp_path: Path) -> None:
    hint = refused(tmp_path, Recipe(records="data", skip=2, if_changed=True), ReadOptions())
    assert "--skip 2 --records data, which its recipe has" in hint
    assert "`myriad recipe hr.a --forget skip --forget records`" in hint
    assert "recipe" not in refused(tmp_path, Recipe(), ReadOptions(records="data"))
    assert "recipe" not in refused(tmp_path, Recipe(records="x"), ReadOptions(records="data"))


def test_what_a_recipe_says_of_reading_is_all_that_reading_takes() -> None:
    said = {"nulls": "null", "null_words": "no-null"}
    taken = {said.get(name, name) for name in ReadOptions.__dataclass_fields__}
    assert taken - {"allow_private", "key", "table"} == {*READING}
    assert told("records=data") == Recipe(records="data")


def test_a_table_with_a_point_in_its_name_is_taken_for_one_of_a_dataset() -> None:
    with pytest.raises(UsageError) as caught:
        Options(table="sales.volumes")
    assert caught.value.hint == "--dataset sales --table volumes."
