"""A merge, an undo or an unpublish that is killed leaves all as it was, and works again."""

import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from myriad import Myriad
from tests.acceptance.test_publish_interrupted import (
    AT_ROW,
    TABLE,
    Case,
    Point,
    State,
    _row,
    _statement,
)
from tests.harness import COMMAND, run, wait_until

OLD = "id,v\n1,a\n2,b\n"
NOW = "id,v\n1,a\n2,x\n3,c\n"
MORE = "id,v\n2,y\n4,d\n"
NOW_ROWS = [(1, "a"), (2, "x"), (3, "c")]
AFTER = {
    "merge": [(1, "a"), (2, "y"), (3, "c"), (4, "d")],
    "undo": [(1, "a"), (2, "b")],
    "unpublish": None,
}
READERS = Point("LOCK TABLE", take=f"SELECT FROM {TABLE}")
AWAY = Point("WITH away AS", take="LOCK TABLE myriad.kept IN SHARE MODE")
RECORD = "LOCK TABLE myriad.published IN SHARE MODE"
POINTS = {
    ("merge", "the first row of the new table"): _row(1),
    ("merge", "the last row of the new table"): Point("COPY", AT_ROW.format(row=4)),
    ("merge", "its key"): _statement("ALTER TABLE"),
    ("merge", "its index"): _statement("CREATE INDEX"),
    ("merge", "readers of the old table"): READERS,
    ("merge", "the old table, put away"): AWAY,
    ("merge", "the record"): Point("-- What came with", take=RECORD),
    ("undo", "the version, brought back"): _statement("ALTER TABLE"),
    ("undo", "readers of what is shown"): READERS,
    ("undo", "what was shown, put away"): AWAY,
    ("undo", "the record"): Point("INSERT INTO myriad.published", take=RECORD),
    ("unpublish", "readers"): READERS,
    ("unpublish", "the table, put away"): AWAY,
    ("unpublish", "the record"): Point("DELETE FROM myriad.published", take=RECORD),
}
DAILY = (
    ("merge", "the first row of the new table"),
    ("merge", "the old table, put away"),
    ("undo", "the record"),
    ("unpublish", "the table, put away"),
)


@dataclass(frozen=True)
class Change(Case):
    """A table with a version of before, and a command that changes it."""

    what: str = ""

    def begin(self) -> State:
        for text in (OLD, NOW):
            self.publish(self.write(f"{TABLE}.csv", text), keys={"": ("id",)}, contract="free")
        self.ask(f"CREATE INDEX by_hand ON {TABLE} (v)")
        self.write("more.csv", MORE)
        return self.state()

    def state(self) -> State:
        versions = "SELECT number, relation, report FROM myriad.version ORDER BY number"
        return (*super().state(), self.ask(versions), self.ask("SELECT * FROM myriad.kept"))

    def arguments(self) -> list[str]:
        """Return the command."""
        of_it = {
            "merge": ["publish", str(self.folder / "more.csv"), "--table", TABLE, "--merge"],
            "undo": ["undo", TABLE],
            "unpublish": ["unpublish", TABLE, "--yes"],
        }
        return [*of_it[self.what], "--database", self.database]

    def start(self, name: str = "", *before: str) -> "subprocess.Popen[str]":  # noqa: ARG002
        home = ["--home", str(self.installation.home.folder)]
        return subprocess.Popen(
            [*COMMAND, *self.arguments(), *home],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def rows(self) -> list[tuple[object, ...]] | None:
        """Return the rows of the table, None if it is not there."""
        there = self.one("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
        return self.ask(f"SELECT id, v FROM {TABLE} ORDER BY id") if there else None


every_point = pytest.mark.nightly(
    daily="tests/acceptance/test_changes_interrupted.py"
    "::test_a_change_that_is_killed_leaves_all_as_it_was_and_works_when_run_again"
)


@pytest.mark.nightly(by_day=["merge-the old table, put away", "undo-the record"])
@pytest.mark.parametrize(
    ("what", "where"),
    [pytest.param(*at, marks=() if at in DAILY else every_point) for at in POINTS],
)
def test_a_change_that_is_killed_leaves_all_as_it_was_and_works_when_run_again(
    installation: Myriad, database: str, tmp_path: Path, what: str, where: str
) -> None:
    change = Change(installation, database, tmp_path, what)
    before = change.begin()
    with change.at(POINTS[what, where]) as (command, pid):
        command.send_signal(signal.SIGKILL)
        command.wait(20)
    wait_until(partial(_is_gone, pid))
    change.check_untouched(before)
    assert change.rows() == NOW_ROWS
    assert change.installation.history(TABLE, database)[0]["outcome"] == "killed"
    done = run(change.installation.home, *change.arguments())
    assert done.returncode == 0, done.stderr
    assert change.rows() == AFTER[what]
    change.installation.undo(TABLE, 2 if what == "merge" else None, database)
    assert change.rows() == NOW_ROWS
    assert change.orphans() == set()


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)
