"""Publish to a Cassandra whose files cannot be reached: straight into the table, never over one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from myriad import Myriad
from myriad.errors import KeyRefused, SchemaRefused, Unsupported
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Step
from myriad.publish.publish import Engines, publish
from myriad.publish.report import Report
from tests.keyspaces import Space


class Killed(BaseException):
    """What ends a publish at once, as far as it can be told from within."""


def _publish(space: Space, path: Path, key: str = "", kill: int = 0, **options: Any) -> Report:
    """Publish as to an attached cluster; with `kill` it ends when so many rows are there."""
    installed = space.installation
    cluster = replace(installed.cluster(), kind="attached", folder=None)
    keys = parse_keys([key]) if key else {}
    chosen = Options(to="cassandra", dataset=space.dataset, keys=keys, **options)

    def tell(step: Step) -> None:
        if kill and step.phase == "loading" and step.rows >= kill:
            raise Killed

    engines = Engines(installed.server(), cluster)
    return publish(engines, installed.home, installed.settings, [path], chosen, tell)


def test_a_first_publish_works_and_a_second_is_refused(space: Space) -> None:
    path = space.write("t.csv", "a,b\n1,x\n2,y\n")
    (table,) = _publish(space, path, "a").tables
    assert (table.rows, table.action) == (2, "created")
    with pytest.raises(SchemaRefused, match="cannot be replaced at once") as refused:
        _publish(space, path, "a")
    assert "--append" in refused.value.hint
    more = space.write("more.csv", "a,b\n3,z\n")
    _publish(space, more, table="t", append=True)
    with pytest.raises(KeyRefused, match="has 1 such rows already"):
        _publish(space, more, table="t", append=True)
    assert sorted(space.ask("SELECT a, b FROM {}.t")) == [(1, "x"), (2, "y"), (3, "z")]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_attached.py::"
    "test_a_first_publish_works_and_a_second_is_refused"
)
def test_a_publish_that_was_cut_short_goes_on_or_begins_anew(space: Space) -> None:
    path = space.write("t.csv", "a,b\n" + "".join(f"{n},x\n" for n in range(5000)))
    with pytest.raises(Killed):
        _publish(space, path, "a", kill=1)
    assert [state for state, _ in space.loads()] == ["loading"]
    _publish(space, path, "a")
    assert space.ask("SELECT count(*) FROM {}.t") == [(5000,)]
    other = space.write("u.csv", path.read_text())
    with pytest.raises(Killed):
        _publish(space, other, "a", kill=1)
    other.write_text("a,b\n1,y\n")
    _publish(space, other, "a")
    assert space.ask("SELECT a, b FROM {}.u") == [(1, "y")]
    assert space.loads() == []


def test_what_cannot_be_had_back_there_is_said_and_nothing_is_changed(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(space, space.write("t.csv", "a,b\n1,x\n2,y\n"), "a")
    attached = replace(space.installation.cluster(), kind="attached", folder=None)
    name = f"{space.dataset}.t"
    with monkeypatch.context() as patch:
        patch.setattr(Myriad, "cluster", lambda _: attached)
        with pytest.raises(Unsupported, match="cannot go back in Cassandra") as refused:
            space.installation.undo(name)
        assert (refused.value.exit_code, bool(refused.value.hint)) == (1, True)
        with pytest.raises(Unsupported, match="nothing of t can be kept") as refused:
            space.installation.unpublish(name)
        assert "--purge" in refused.value.hint
        assert space.tables() == {"t"}
        space.installation.unpublish(name, purge=True)
    assert space.tables() == set()
    kinds = [run["kind"] for run in space.installation.history(name)]
    assert kinds == ["unpublish", "publish"]
