"""Commands in hints and reports look for tables where the command did that tells of them."""

import pytest

from myriad.cli.common import Session

UNDO = "`myriad undo hr.a` brings version 1 back"


def placed(text: str, database: str | None, dataset: str | None = None) -> str:
    place = {"database": database, "dataset": dataset, "yes": True}
    return Session(None, False, False, False, place).placed(text)  # noqa: FBT003 - as they were said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (UNDO, "`myriad undo hr.a --database ex` brings version 1 back"),
        (
            "There are: 1, 2. `myriad history a` says which",
            "There are: 1, 2. `myriad history hr.a --database ex` says which",
        ),
        (
            "recipe: --skip 2 (myriad recipe a)\n  … more: myriad show a\nmore",
            "recipe: --skip 2 (myriad recipe hr.a --database ex)\n"  # noqa: ISC004 - one text
            "  … more: myriad show hr.a --database ex\nmore",
        ),
        (
            "more to know: myriad show TABLE, or publish with --json",
            "more to know: myriad show hr.TABLE --database ex, or publish with --json",
        ),
        ("`myriad list` shows what there is", "`myriad list` shows what there is"),
        ("`myriad history --json` shows", "`myriad history --json --database ex` shows"),
    ],
)
def test_a_command_in_a_hint_names_the_database_that_was_said(text: str, told: str) -> None:
    assert placed(text, "ex", "hr") == told
    assert placed(text, None) == text
    assert placed(UNDO, "a b") == "`myriad undo hr.a --database 'a b'` brings version 1 back"
