"""PostgreSQL's configuration, sized from the machine."""

from pathlib import Path

import pytest

from myriad.engines.postgres import configuration
from myriad.machine.resources import Machine
from myriad.settings import Settings

SOCKETS = Path("/run/some where")


def values(machine: Machine, settings: Settings | None = None) -> dict[str, str | int]:
    return configuration.values(settings or Settings(), SOCKETS, machine)


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


def rules(major: int) -> list[str]:
    return [line for line in configuration.hba(major).splitlines() if not line.startswith("#")]


def test_only_myriads_own_user_comes_in_and_only_over_the_socket() -> None:
    assert configuration.ident('a "user"').endswith('myriad "a ""user""" all\n')
    assert rules(16) == ["local all all peer map=myriad", "host all all all reject"]
    assert rules(15) == ["local all all trust", "host all all all reject"]
    chosen = values(Machine(4096, 2, 100_000))
    assert chosen["listen_addresses"] == ""
    assert chosen["unix_socket_permissions"] == "0700"


def test_what_one_person_spills_leaves_half_of_the_free_disk() -> None:
    one = values(Machine(4096, 2, 60_000), Settings(limit_concurrent=1))
    assert one["temp_file_limit"] == "10000MB"  # its own process and two workers
    eight = values(Machine(4096, 2, 240_000))
    assert eight["temp_file_limit"] == "5000MB"
    assert values(Machine(4096, 2, 100))["temp_file_limit"] == "64MB"


def test_some_connections_stay_for_the_administrator() -> None:
    few = values(Machine(4096, 2, 100_000), Settings(max_connections=30))
    assert 0 < int(few["superuser_reserved_connections"]) < 20
