"""What is nightly has a daily test beside it, and what shares a group shares a worker."""

from pathlib import Path

import pytest

from tests import selection

pytest_plugins = ("pytester",)

MARKED = """
import pytest
nightly = pytest.mark.nightly
@nightly(daily="test_a.py::test_daily")
def test_guarded(): pass
@nightly(daily="test_a.py::test_some")
def test_guarded_by_all_parameters(): pass
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=nightly(daily="test_a.py::test_some[1]"))])
def test_some(n): pass
@nightly(by_day=["7"])
@pytest.mark.parametrize("n", [7, 8, 9])
def test_kinds(n): pass
def test_daily(): pass
"""
UNGUARDED = """
import pytest
@pytest.mark.nightly(daily="test_a.py::test_not_there")
def test_one(): pass
@pytest.mark.nightly(daily="test_a.py::test_one")
def test_two(): pass
@pytest.mark.nightly(daily="test_not_there.py::test_x")
def test_three(): pass
@pytest.mark.nightly
def test_four(): pass
@pytest.mark.nightly(by_day=["no case"])
@pytest.mark.parametrize("n", [5])
def test_five(n): pass
"""


def ran(pytester: pytest.Pytester, text: str, *arguments: str) -> dict[str, int]:
    """Run the tests in `text`; return how many had which outcome."""
    pytester.makepyfile(test_a=text)
    pytester.makeini("[pytest]\nmarkers = nightly(daily, by_day)")
    done = pytester.inline_run("-p", "tests.selection", "-p", "no:xdist", *arguments)
    passed, skipped, failed = done.listoutcomes()
    assert not skipped
    return {"passed": len(passed), "failed": len(failed)}


def test_nightly_tests_are_left_out_unless_asked_for(pytester: pytest.Pytester) -> None:
    assert ran(pytester, MARKED) == {"passed": 3, "failed": 0}
    assert ran(pytester, MARKED, "--nightly") == {"passed": 8, "failed": 0}


def test_a_nightly_test_that_no_daily_one_guards_fails_every_day(pytester: pytest.Pytester) -> None:
    assert ran(pytester, UNGUARDED) == {"passed": 0, "failed": 5}


def test_a_test_of_the_shared_node_in_the_wrong_file_fails(pytester: pytest.Pytester) -> None:
    text = """
import pytest
@pytest.fixture
def clustered(): pass
def test_one(clustered): pass
"""
    assert ran(pytester, text) == {"passed": 0, "failed": 1}


@pytest.mark.parametrize(
    ("file", "group"),
    [
        ("tests/acceptance/test_cassandra_up.py", "cassandra"),
        ("tests/integration/test_cql_session.py", "cassandra"),
        ("tests/integration/test_publish_cassandra_left.py", "publish"),
        ("tests/acceptance/test_cassandra_nodes.py", "machine"),
        ("tests/acceptance/test_door_crowd.py", "machine"),
        ("tests/unit/test_cassandra_keys.py", "tests/unit/test_cassandra_keys.py"),
        ("tests/integration/test_swap.py", "tests/integration/test_swap.py"),
    ],
)
def test_a_file_says_its_group(file: str, group: str) -> None:
    assert (Path(selection.__file__).parents[1] / file).exists()
    assert selection.group_of(f"{file}::test_x[a/b::cassandra]") == group
