"""PostgreSQL's configuration, sized from the machine."""

from pathlib import Path

import pytest

from myriad.engines import configuration
from myriad.engines.configuration import Machine
from myriad.settings import Settings

SOCKETS = Path("/run/some where")


def values(machine: Machine, settings: Settings | None = None) -> dict[str, str | int]:
    return configuration.values(settings or Settings(), 6432, SOCKETS, machine)


@pytest.mark.parametrize(
    ("memory", "shared"), [(256, "128MB"), (4096, "1024MB"), (262144, "8192MB")]
)
def test_the_page_cache_is_a_quarter_of_memory_within_bounds(memory: int, shared: str) -> None:
    assert values(Machine(memory, 2, 100_000))["shared_buffers"] == shared


def test_the_page_cache_that_was_set_is_used() -> None:
    chosen = values(Machine(4096, 2, 100_000), Settings(shared_buffers_mb=300))
    assert chosen["shared_buffers"] == "300MB"


def test_the_log_of_changes_leaves_room_on_a_small_disk() -> None:
    assert values(Machine(4096, 2, 5000))["max_wal_size"] == "500MB"
    assert values(Machine(4096, 2, 1_000_000))["max_wal_size"] == "8192MB"


def test_quotes_in_a_path_stay_within_the_value() -> None:
    text = configuration.render({"name": "it's a \\ path", "number": 3})
    assert "name = 'it''s a \\\\ path'\nnumber = 3\n" in text


def test_only_myriads_own_user_is_the_administrator() -> None:
    assert configuration.ident('a "user"').endswith('myriad "a ""user""" myriad\n')
    rules = [line for line in configuration.hba().splitlines() if not line.startswith("#")]
    assert rules.index("host all myriad all reject") < rules.index("host all all all scram-sha-256")
    assert not any("trust" in rule for rule in rules)
