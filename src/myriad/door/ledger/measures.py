"""Measures in Prometheus' text format, written to a file that its node exporter can collect."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from myriad.door.login import login
from myriad.door.server import backend, settings
from myriad.door.session.holding import MOST_OF_ALL, held
from myriad.door.session.session import MOST_TEXT_BYTES

if TYPE_CHECKING:
    from myriad.door.door import Door

WRITE_SECONDS = 5.0
ACCOUNT_BYTES = 1000  # of one, with its limits
SECRET_BYTES = 400  # of the keys by which it logs in to an attached server


class Measures(Collector):
    """The door's numbers, read when they are asked for."""

    def __init__(self, door: "Door", file: Path) -> None:
        self._door = door
        self._file = file
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def write(self) -> None:
        """Replace the file; raises OSError."""
        write_to_textfile(str(self._file), self._registry)
        self._file.chmod(0o600)

    def _memory(self) -> Iterator[Metric]:
        held = GaugeMetricFamily(
            "myriad_door_memory_bytes", "What caches and buffers hold.", labels=["part"]
        )
        most = GaugeMetricFamily(
            "myriad_door_memory_most_bytes", "What they hold at most.", labels=["part"]
        )
        for name, part in parts(self._door).items():
            held.add_metric([name], part.bytes)
            most.add_metric([name], part.most_bytes)
        yield from (held, most)

    def collect(self) -> Iterator[Metric]:
        """Yield every measure."""
        door, audit = self._door, self._door.audit
        backends = [each for pool in door.pools for each in pool.backends]
        gauges = {
            "sessions": ("Clients that are logged in.", len(door.sessions)),
            "people": ("People who are logged in.", len(door.accounts)),
            "logins": ("Clients that log in now.", len(door.logins)),
            "server_connections": ("Connections to PostgreSQL.", len(backends)),
            "server_connections_busy": (
                "Connections to PostgreSQL that a session has.",
                sum(each.session is not None for each in backends),
            ),
            "server_connections_pinned": (
                "Connections to PostgreSQL that stay with a session.",
                sum(pool.pinned for pool in door.pools),
            ),
            "clients_unread": (
                "Clients whose next message is left in the network for now.",
                sum(not session.reading for session in door.sessions.values()),
            ),
            "server_connections_unread": (
                "Connections to PostgreSQL whose answers are left in the network for now.",
                sum(not backend.reading for backend in backends),
            ),
            "waiting": (
                "Sessions that wait for a server connection.",
                sum(len(pool.waiting()) for pool in door.pools),
            ),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"myriad_door_{name}", text, value)
        yield from self._memory()
        counters: dict[str, tuple[str, float]] = {
            "statements": ("Statements that have ended.", audit.statements),
            "statement_seconds": ("Seconds that statements took.", audit.seconds),
            "errors": ("Statements that ended with an error.", audit.errors),
            "rows": ("Rows returned.", audit.rows),
            "bytes": ("Bytes returned.", audit.bytes),
            "audit_dropped": ("Audit entries that were not written.", audit.dropped),
            "logins_accepted": ("Logins that succeeded.", door.accepted),
            "logins_refused": ("Logins that failed.", door.throttle.failures),
            "stopped": ("Statements ended by a limit or by somebody.", door.stopped),
        }
        for name, (text, total) in counters.items():
            yield CounterMetricFamily(f"myriad_door_{name}", text, total)


@dataclass(frozen=True, slots=True)
class Part:
    """How many bytes some caches or buffers hold now, and may hold at most."""

    bytes: int
    most_bytes: int


def parts(door: "Door") -> dict[str, Part]:
    """Return what each cache and buffer of the door holds; docs/door.md says what they are."""
    texts, profiles = door.databases.texts, door.profiles.cache
    reader, audit = door.databases.reader, door.audit
    spoken = sum(len(session.text) for session in door.sessions.values())
    clients, backends = door.settings["max_clients"], door.pools.most
    known = ACCOUNT_BYTES * len(door.accounts) + SECRET_BYTES * len(door.dial.secrets)
    at_servers = sum(each.all_bytes for pool in door.pools for each in pool.backends)
    return {
        "accounts": Part(known, clients * (ACCOUNT_BYTES + SECRET_BYTES)),
        "audit": Part(audit.waiting_bytes, audit.most_waiting_bytes),
        "long_statements": Part(reader.bytes, reader.most_bytes),
        "logins": Part(door.login_bytes, login.most_bytes(clients)),
        "profiles": Part(profiles.bytes, profiles.most_bytes),
        "held": Part(sum(map(held, door.sessions.values())), MOST_OF_ALL),
        "server_connections": Part(at_servers, backends * backend.MOST_BYTES),
        "session_texts": Part(spoken, clients * MOST_TEXT_BYTES),
        "settings": Part(settings.kept(), clients * settings.MOST_OF_SESSION_BYTES),
        "throttle": Part(door.throttle.bytes, door.throttle.most_bytes),
        "verdicts": Part(texts.bytes, texts.most_bytes),
    }
