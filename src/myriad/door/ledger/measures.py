"""Measures in Prometheus' text format, written to a file that its node exporter can collect."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from myriad.door.door import Door
from myriad.door.ledger.audit import Audit
from myriad.door.login.login import Logins
from myriad.door.login.throttle import Throttle
from myriad.door.server import backend, settings
from myriad.door.session.holding import held
from myriad.door.session.unit import MOST_TEXT_BYTES

WRITE_SECONDS = 5.0
ACCOUNT_BYTES = 1000  # of one, with its limits
SECRET_BYTES = 400  # of the keys by which it logs in to an attached server


@dataclass(frozen=True, slots=True)
class Part:
    """How many bytes some caches or buffers hold now, and may hold at most."""

    bytes: int
    most_bytes: int


class Measures(Collector):
    """The door's numbers, read when they are asked for: of all its processes together."""

    def __init__(
        self, door: Door, logins: Logins, audit: Audit, throttle: Throttle, file: Path
    ) -> None:
        self._door, self._logins, self._audit = door, logins, audit
        self._throttle, self._file = throttle, file
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def write(self) -> None:
        """Replace the file; raises OSError."""
        write_to_textfile(str(self._file), self._registry)
        self._file.chmod(0o600)

    def collect(self) -> Iterator[Metric]:
        """Yield every measure."""
        gauges, counters, parts = self._gauges(), self._counters(), self._parts()
        here = [value for _, value in (*gauges.values(), *counters.values())]
        here += [number for part in parts.values() for number in (part.bytes, part.most_bytes)]
        sums = iter(self._door.siblings.sums(here))
        for name, (text, _) in gauges.items():
            yield GaugeMetricFamily(f"myriad_door_{name}", text, next(sums))
        for name, (text, _) in counters.items():
            yield CounterMetricFamily(f"myriad_door_{name}", text, next(sums))
        held = GaugeMetricFamily(
            "myriad_door_memory_bytes", "What caches and buffers hold.", labels=["part"]
        )
        most = GaugeMetricFamily(
            "myriad_door_memory_most_bytes", "What they hold at most.", labels=["part"]
        )
        for name in parts:
            held.add_metric([name], next(sums))
            most.add_metric([name], next(sums))
        yield from (held, most)

    def _gauges(self) -> dict[str, tuple[str, float]]:
        door = self._door
        backends = [each for pool in door.pools for each in pool.backends]
        return {
            "sessions": ("Clients that are logged in.", len(door.sessions)),
            "people": ("People who are logged in.", door.accounts.first_here()),
            "logins": ("Clients that log in now.", len(self._logins.under_way)),
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

    def _counters(self) -> dict[str, tuple[str, float]]:
        door, audit = self._door, self._audit
        return {
            "statements": ("Statements that have ended.", audit.statements),
            "statement_seconds": ("Seconds that statements took.", audit.seconds),
            "errors": ("Statements that ended with an error.", audit.errors),
            "rows": ("Rows returned.", audit.rows),
            "bytes": ("Bytes returned.", audit.bytes),
            "audit_dropped": ("Audit entries that were not written.", audit.dropped),
            "statistics_dropped": (
                "Statements that were not counted by shape.",
                audit.statistics.dropped,
            ),
            "logins_accepted": ("Logins that succeeded.", door.accepted),
            "logins_refused": ("Logins that failed.", self._throttle.failures),
            "stopped": ("Statements ended by a limit or by somebody.", door.stopped),
        }

    def _parts(self) -> dict[str, Part]:
        """Return what each cache and buffer of the door holds; docs/door.md says what they are."""
        door, audit, throttle, logins = self._door, self._audit, self._throttle, self._logins
        texts, profiles, reader = door.databases.texts, door.profiles.cache, door.databases.reader
        sessions = door.sessions.values()
        spoken = sum(len(session.unit.text) for session in sessions)
        clients, backends = door.most_clients, door.pools.most
        known = ACCOUNT_BYTES * len(door.accounts) + SECRET_BYTES * len(door.dial.secrets)
        at_servers = sum(each.all_bytes for pool in door.pools for each in pool.backends)
        return {
            "accounts": Part(known, clients * (ACCOUNT_BYTES + SECRET_BYTES)),
            "audit": Part(audit.waiting_bytes, audit.most_waiting_bytes),
            "long_statements": Part(reader.bytes, reader.most_bytes),
            "logins": Part(logins.bytes, logins.most_bytes),
            "profiles": Part(profiles.bytes, profiles.most_bytes),
            "held": Part(sum(map(held, sessions)), door.room.most_of_all),
            "server_connections": Part(at_servers, backends * backend.MOST_BYTES),
            "statistics": Part(audit.statistics.bytes, audit.statistics.most_bytes),
            "session_texts": Part(spoken, clients * MOST_TEXT_BYTES),
            "settings": Part(settings.kept(), clients * settings.MOST_OF_SESSION_BYTES),
            "throttle": Part(throttle.bytes, throttle.most_bytes),
            "verdicts": Part(texts.bytes, texts.most_bytes),
        }
