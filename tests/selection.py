"""Which tests run every day, and which of them share a worker.

**Every night.** A test that costs much and whose promise a cheaper one guards too is marked
`@pytest.mark.nightly(daily="tests/…/test_file.py::test_name")`, by its decorator, by the file's
`pytestmark`, or in `pytest.param(…, marks=…)`. `daily` is the id, as pytest prints it, of that
cheaper test; without `[…]` it means all that a parametrized test runs daily. It must exist and be
no nightly one itself: else the nightly test fails, every day. Of a parametrized test with many
cases of one kind, `@pytest.mark.nightly(by_day=["id", …])` names those that run every day too.
`make test` leaves nightly tests out, `make test-nightly` (`--nightly`) runs everything, with more
examples of Hypothesis (`examples.py`).

**Groups.** `make test` runs three workers. A worker runs a whole file, so what a module makes is
made once; session fixtures are made once in each worker that asks for them. Files of one group go
to one worker, which so makes the group's fixtures once. The file's name says its group (GROUPS): a
test that takes the fixture `clustered`, or starts a node itself, is in a file with "cassandra" or
"cql" in its name; one that takes the whole machine, in one with "nodes" (three of them), "crowd" or
"demo". Files of different groups run at the same time: they share no port, address or path.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import examples

# A group, and parts of the names of its files; the first that fits. The longest groups come first,
# so that no worker waits for the others at the end.
GROUPS = {
    "machine": ("nodes", "crowd", "demo"),  # three nodes do not start while thousands come in
    "publish": ("publish_cassandra",),  # half of what takes a node
    "cassandra": ("cassandra", "cql"),
}
CLUSTERED = ("publish", "cassandra")  # each of these groups makes a node
# In a group too: a node is killed while it has few keyspaces, and so is soon there again.
COSTLY_FIRST = ("acceptance", "integration", "unit")
FAULT = pytest.StashKey[str]()  # what is wrong with how a test is marked


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run tests marked nightly")
    parser.addoption("--door-processes", help="run each door with so many processes")


@pytest.hookimpl(trylast=True)  # after Hypothesis's own
def pytest_configure(config: pytest.Config) -> None:
    examples.load(nightly=config.getoption("nightly"))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    examples.unload()


def pytest_report_header(config: pytest.Config) -> str:
    also = "run too" if config.getoption("nightly") else "are left out: --nightly runs them"
    return f"tests marked nightly {also}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not any("::" in argument for argument in config.args):  # then whole files are here
        note_unguarded(items)
    note_misplaced(items)
    items.sort(key=lambda item: _turn(item.nodeid))  # stable
    if not config.getoption("nightly"):
        left_out = {item for item in items if _is_nightly(item) and FAULT not in item.stash}
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose mark or file is wrong; a nightly one is not left out then."""
    if FAULT in item.stash:
        pytest.fail(item.stash[FAULT], pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order is made above
    return ByGroup(config, log)


class ByGroup(LoadScopeScheduling):  # type: ignore[misc] # xdist carries no types
    """Give a worker all files of a group, or one file of none.

    Own code, since `--dist loadgroup` of pytest-xdist 3.8 sees no group with pytest 9.2
    (pytest-dev/pytest-xdist#1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return the group of a test; a file of no group is its own."""
    path = nodeid.partition("::")[0]
    folder, _, file = path.rpartition("/")
    if folder.endswith("unit"):
        return path
    return next((name for name, parts in GROUPS.items() if any(map(file.count, parts))), path)


def note_misplaced(items: Iterable[pytest.Item]) -> None:
    """Note each test that would make one node more, in another worker."""
    for item in items:
        if (
            "clustered" in getattr(item, "fixturenames", ())
            and group_of(item.nodeid) not in CLUSTERED
        ):
            item.stash[FAULT] = "it takes `clustered`: its file needs `cassandra` in its name"


def note_unguarded(items: Iterable[pytest.Item]) -> None:
    """Note each nightly test whose promise no daily one guards.

    Of files that are not among `items`, only that they exist is checked.
    """
    daily = set(_names(item for item in items if not _is_nightly(item)))
    files = {name.partition("::")[0] for name in _names(items)}
    for item in items:
        for guard in _guards(item):
            file = guard.partition("::")[0]
            exists = (item.config.rootpath / file).is_file()
            if guard not in daily if file in files else not exists:
                item.stash[FAULT] = f"it is nightly, and its daily test is none: {guard!r}"


def _guards(item: pytest.Item) -> Iterator[str]:
    """Yield the ids of the daily tests that its marks name."""
    for mark in item.iter_markers("nightly"):
        if "by_day" in mark.kwargs:
            test = item.nodeid.partition("[")[0]
            yield from (f"{test}[{case}]" for case in mark.kwargs["by_day"])
        else:
            yield str(mark.kwargs.get("daily", ""))


def _is_nightly(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("nightly")
    case = item.nodeid.partition("[")[2].removesuffix("]")
    return mark is not None and case not in mark.kwargs.get("by_day", ())


def _names(items: Iterable[pytest.Item]) -> Iterator[str]:
    """Yield the id of each test, and that without its parameters."""
    for item in items:
        yield item.nodeid
        yield item.nodeid.partition("[")[0]


def _turn(nodeid: str) -> tuple[int, int]:
    """Return what decides when a test has its turn."""
    group, groups = group_of(nodeid), list(GROUPS)
    kinds = [place for place, kind in enumerate(COSTLY_FIRST) if f"/{kind}/" in nodeid]
    kind = kinds[0] if kinds else len(COSTLY_FIRST)
    return groups.index(group) if group in groups else len(groups), kind
