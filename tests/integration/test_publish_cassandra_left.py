"""A replacement whose publish was killed is finished, or was none, without another command."""

from pathlib import Path
from typing import Any

import pytest

from myriad.engines.cassandra.nodes import management, node
from myriad.errors import EngineError, PublishError
from myriad.publish.cassandra import switch
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Step
from tests.harness import as_admin, wait_until
from tests.keyspaces import Space

FILE = "tests/integration/test_publish_cassandra_left.py"
OLD, NEW = "id,v\n1,1\n2,2\n3,3\n", "id,v\n1,10\n2,20\n"
WIDER = "id,v,w\n1,10,1\n2,20,1\n"  # the table stays, and gets a column
OTHER = "id,v\n1,a\n2,b\n"  # the table is made anew: a type cannot change

TOLD = f"{FILE}::test_a_killed_publish_is_remembered_and_told_as_if_it_had_ended"

every_point = pytest.mark.nightly(daily=f"{TOLD}[after the links]")


def _rows(space: Space) -> dict[int, Any]:
    return dict(space.ask("SELECT id, v FROM {}.t"))


def _is_settled(space: Space) -> bool:
    return all(state != "switching" for state, _ in space.loads())


def _again(space: Space, path: Path) -> list[str]:
    """Say the same command again; return the phases that it goes through."""
    phases: list[str] = []
    space.publish(path, contract="free", progress=lambda step: phases.append(step.phase))
    return phases


@every_point
@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param("after the old table's drop", OTHER, id="other types"),
        pytest.param("after the links", WIDER, id="columns"),
        pytest.param("when it switches", NEW, id="switches"),
        pytest.param("after the swap", NEW, id="swap"),
        pytest.param("after the proof", NEW, id="proof"),
        pytest.param("when it switches", OTHER, id="other, switches"),
        pytest.param("before the swap", OTHER, id="other, links"),
        pytest.param("after the swap", OTHER, id="other, made"),
    ],
)
def test_a_switch_that_was_killed_is_finished_by_who_keeps_cassandra(
    space: Space, at: str, text: str
) -> None:
    path = space.write("t.csv", OLD)
    space.publish(path, "id")
    path.write_text(text)
    space.killed(path, at, contract="free")
    wait_until(lambda: _is_settled(space), 60)
    _is_done(space, path, {1: "a", 2: "b"} if text == OTHER else {1: 10, 2: 20})


def _is_done(space: Space, path: Path, new: dict[int, Any]) -> None:
    """Hold that a switch was finished, and that the same command finds nothing to do."""
    assert _rows(space) == new
    assert (space.loads(), space.staged()) == ([("shown", 2)], set())
    [listed] = [row for row in space.installation.published() if row["dataset"] == space.dataset]
    assert listed["rows"] == 2
    assert "loading" not in _again(space, path)  # it is known to be done
    assert _rows(space) == new
    assert space.loads() == []


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param("after the flush", NEW, id="flush"),
        pytest.param("after the hiding", NEW, id="hiding", marks=every_point),
        pytest.param("after the flush", OTHER, id="other types", marks=every_point),
    ],
)
def test_before_all_nodes_have_it_in_files_a_killed_switch_changes_nothing(
    space: Space, at: str, text: str
) -> None:
    path = space.write("t.csv", OLD)
    space.publish(path, "id")
    path.write_text(text)
    space.killed(path, at, contract="free")
    assert [state for state, _ in space.loads()] == ["loaded"]
    assert _rows(space) == {1: 1, 2: 2, 3: 3}
    space.publish(path, contract="free")
    assert _rows(space) == ({1: "a", 2: "b"} if text == OTHER else {1: 10, 2: 20})
    assert (space.loads(), space.staged()) == ([], set())


@pytest.mark.parametrize(
    "at",
    [
        "after the links",
        pytest.param(
            "when it is written down", marks=pytest.mark.nightly(daily=f"{TOLD}[after the links]")
        ),
    ],
)
def test_a_killed_publish_is_remembered_and_told_as_if_it_had_ended(space: Space, at: str) -> None:
    path, name = space.write("t.csv", OLD), f"{space.dataset}.t"
    space.publish(path, "id")
    path.write_text(NEW)
    space.killed(path, at, contract="free", max_rejects=7)
    wait_until(lambda: _is_settled(space), 60)
    recipe = space.installation.recipe(name)
    assert (recipe.contract, recipe.max_rejects, recipe.key) == ("free", 7, "id")
    killed, ended = space.installation.history(name)
    assert (killed["outcome"], killed["rows"], killed["account"]) == ("done", 2, ended["account"])
    assert killed["finished"] >= killed["started"]
    assert killed["seconds"] > 0
    assert killed["bytes"] > 0
    assert killed["report"].keys() - ended["report"].keys() == set()
    [[told], [usual]] = (run["report"]["tables"] for run in (killed, ended))
    assert told.keys() == usual.keys()
    assert (told["table"], told["rows"], told["source"]) == ("t", 2, str(path))
    if at == "after the links":
        where = "keyspace_name = ? AND table_name = 't'"
        query = f"SELECT comment FROM system_schema.tables WHERE {where}"
        [(comment,)] = space.ask(query, [space.dataset])
        assert comment.endswith(": 2 rows.")
        _is_done(space, path, {1: 10, 2: 20})


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_interrupted.py::"
    "test_a_killed_append_shows_nothing_and_goes_on"
)
def test_an_append_that_was_killed_and_finished_adds_its_rows_once(space: Space) -> None:
    space.publish(space.write("t.csv", OLD), "id")
    more = space.write("more.csv", "id,v\n7,7\n")
    space.killed(more, "after the links", table="t", append=True)
    wait_until(lambda: _is_settled(space), 60)
    assert _rows(space) == {1: 1, 2: 2, 3: 3, 7: 7}
    space.publish(more, table="t", append=True)
    assert _rows(space) == {1: 1, 2: 2, 3: 3, 7: 7}
    [listed] = [row for row in space.installation.published() if row["dataset"] == space.dataset]
    assert listed["rows"] == 4


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_strangers.py::"
    "test_what_others_wrote_before_a_load_goes_on_is_replaced_by_it"
)
def test_what_people_wrote_after_a_killed_switch_is_replaced_by_the_same_command(
    space: Space,
) -> None:
    path = space.write("t.csv", OLD)
    space.publish(path, "id")
    path.write_text(NEW)
    space.killed(path, "after the links")
    wait_until(lambda: _is_settled(space), 60)
    space.ask("DELETE FROM {}.t WHERE id = 1")
    space.ask("INSERT INTO {}.t (id, v) VALUES (9, 9)")
    space.publish(path)
    assert _rows(space) == {1: 10, 2: 20}


def test_a_kill_between_the_engines_leaves_each_whole_and_the_same_command_mends_it(
    space: Space,
) -> None:
    path = space.write("t.csv", OLD)
    space.publish(path, "id", to="both")
    path.write_text(NEW)
    space.killed(path, "after the hiding", to="both")
    with as_admin(space.installation.server(), "main") as connection:
        select = f'SELECT id, v FROM "{space.dataset}".t'.encode()
        in_postgres: dict[int, int] = dict(connection.execute(select).fetchall())
    assert in_postgres == {1: 10, 2: 20}  # the first to change
    assert _rows(space) == {1: 1, 2: 2, 3: 3}
    space.publish(path, to="both")
    assert _rows(space) == {1: 10, 2: 20}
    with as_admin(space.installation.server(), "main") as connection:
        assert dict(connection.execute(select).fetchall()) == in_postgres
        connection.execute(f'DROP SCHEMA "{space.dataset}" CASCADE'.encode())
    assert (space.loads(), space.staged()) == ([], set())


def test_a_publish_that_fails_leaves_no_staged_table(space: Space) -> None:
    """Here PostgreSQL refuses what Cassandra has loaded already."""
    path = space.write("t.csv", OLD)
    loaded: list[set[str]] = []

    def tell(step: Step) -> None:
        if step.phase == "loading":
            loaded.append(space.loading())
        if loaded and step.phase not in ("loading", "proving the counts"):
            raise PublishError("refused", hint="Nothing was changed.")

    options = Options(to="both", dataset=space.dataset, keys=parse_keys(["id"]))
    with pytest.raises(PublishError, match="refused"):
        space.installation.publish([path], options, tell)
    assert loaded[0]
    assert (space.loads(), space.staged(), space.tables()) == ([], set(), set())


@pytest.mark.nightly(
    daily="tests/acceptance/test_cassandra_up.py::"
    "test_no_password_and_no_management_port_is_in_the_open"
)
def test_nothing_of_the_nodes_managers_listens_when_nobody_publishes(space: Space) -> None:
    """Also not where a publish was killed while it was attached."""
    path = space.write("t.csv", OLD)
    space.killed(path, "when it switches", "id")
    wait_until(lambda: _is_settled(space), 60)
    place = space.installation.home.cassandra / "node1"
    found = node.running(place)
    assert found is not None
    ports = {space.installation.cluster().endpoint.port}

    def others() -> set[int]:
        listening = (each for each in found.net_connections("tcp") if each.status == "LISTEN")
        return {each.laddr.port for each in listening} - ports

    wait_until(lambda: not (place / management.ATTACHED).exists(), 60)
    [storage] = others()  # between nodes
    with management.beans(place):
        assert len(others()) > 1
    wait_until(lambda: others() == {storage}, 60)


def _killed_and_back(space: Space) -> None:
    """Kill the only node, and return when it takes people again."""
    place = space.installation.home.cassandra / "node1"
    found = node.running(place)
    assert found is not None
    found.kill()
    found.wait()

    def is_back() -> bool:
        try:
            return node.running(place) is not None and bool(space.ask("SELECT now() FROM {}.t"))
        except EngineError:
            return False

    wait_until(is_back, 120)


@pytest.mark.nightly(
    daily=f"{FILE}::test_before_all_nodes_have_it_in_files_a_killed_switch_changes_nothing[flush]"
)
@pytest.mark.parametrize("rows", [False, True], ids=["deletions", "both"])
def test_a_node_that_forgot_rows_or_deletions_gets_them_again(
    space: Space, monkeypatch: pytest.MonkeyPatch, *, rows: bool
) -> None:
    path = space.write("t.csv", OLD)
    space.publish(path, "id")
    path.write_text(NEW)
    hidden, phases = list[bool](), list[str]()
    real = switch._hide_old  # noqa: SLF001 - the moment between it and the flush

    def hide(*arguments: Any) -> None:
        real(*arguments)
        hidden.append(True)
        if len(hidden) == 1:
            _killed_and_back(space)

    def tell(step: Step) -> None:
        if step.phase == "proving the counts" and step.phase not in phases:
            phases.append(step.phase)
            if rows:
                _killed_and_back(space)
        elif step.phase == "proving the counts":
            phases.append(step.phase)

    monkeypatch.setattr(switch, "_hide_old", hide)
    space.publish(path, progress=tell)
    assert (len(phases), len(hidden)) == (1 + rows, 2)
    assert _rows(space) == {1: 10, 2: 20}
    assert (space.loads(), space.staged()) == ([], set())
