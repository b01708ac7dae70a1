"""A Cassandra that somebody else runs: checked when attached, never started or stopped."""

import logging
import time
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

from myriad.cql.connection import Endpoint
from myriad.cql.names import quoted
from myriad.cql.session import Session
from myriad.engines.cassandra.announcement import NodeState
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError, EngineError, NotRunning, SettingsError, StartFailed, Unsupported
from myriad.settings import Settings

OLDEST = 4  # the first major version with system.peers_v2
CHECK_EVERY = 5.0  # seconds between looks at it
PORT = 9042


UNENCRYPTED = "Myriad's password goes to that Cassandra unencrypted: set cassandra_ca if it has TLS"

log = logging.getLogger("myriad.engines")


class AttachedCluster:
    """A cluster reached by the contact points of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None
        self._reached = True
        self._checked = 0.0

    def begin(self) -> None:
        """Check version and rights.

        Raises StartFailed if it cannot be reached, Unsupported if it will not do, SettingsError.
        """
        endpoint = _endpoint(self._settings)
        if endpoint.user and not self._settings.cassandra_ca and not _near(endpoint):
            log.warning(UNENCRYPTED)
        try:
            with Session(endpoint) as session:
                self._cluster = _checked(session, endpoint)
        except Unsupported:
            raise
        except EngineError as error:
            wrong = isinstance(error, CqlError) and error.code == CqlError.BAD_CREDENTIALS
            raise StartFailed(
                f"the Cassandra at {self._settings.cassandra_at} cannot be used: {error}",
                hint="See the settings cassandra_user and cassandra_password_file."
                if wrong
                else "Try the same address with cqlsh, from this machine. With encryption, set"
                " cassandra_ca.",
            ) from error
        self._checked = time.monotonic()

    def look(self) -> bool:
        """Look every few seconds; say whether it can be reached where it could not, or not now."""
        if time.monotonic() - self._checked < CHECK_EVERY or self._cluster is None:
            return False
        before, self._checked = self._reached, time.monotonic()
        try:
            with self._cluster.session() as session:
                session.query("SELECT key FROM system.local")
                self._reached = True
        except (NotRunning, CqlError):
            self._reached = False
        return self._reached != before

    def states(self) -> list[NodeState]:
        """Return nothing: they are not ours to know."""
        return []

    def reached(self) -> Cluster | None:
        """Return how it is reached, None while it cannot be."""
        return self._cluster if self._reached else None

    def end(self) -> None:
        """Leave it alone: somebody else runs it."""


def _near(endpoint: Endpoint) -> bool:
    """Say whether nothing leaves this machine."""
    try:
        return all(ip_address(host).is_loopback for host in endpoint.hosts)
    except ValueError:  # a name
        return endpoint.hosts == ("localhost",)


def _endpoint(settings: Settings) -> Endpoint:
    hosts, ports = [], set()
    for text in settings.cassandra_at.split(","):
        host, _, port = text.strip().partition(":")
        if not host or not (port or str(PORT)).isdecimal():
            raise SettingsError(
                f"cassandra_at = {settings.cassandra_at!r} is no list of HOST[:PORT],...",
                hint="Such as --cassandra-at 10.0.0.1,10.0.0.2.",
            )
        hosts.append(host)
        ports.add(int(port or PORT))
    if len(ports) > 1:
        raise SettingsError(
            f"cassandra_at = {settings.cassandra_at!r} names several ports",
            hint="All nodes of a cluster are reached at the same port.",
        )
    ca = settings.cassandra_ca and str(Path(settings.cassandra_ca).expanduser().absolute())
    return Endpoint(tuple(hosts), ports.pop(), settings.cassandra_user, _password(settings), ca)


def _password(settings: Settings) -> str:
    if not settings.cassandra_password_file:
        return ""
    path = Path(settings.cassandra_password_file).expanduser()
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cassandra_password_file: {path} cannot be read: {error}",
            hint="It holds the password of cassandra_user, and nothing else.",
        ) from error


def _checked(session: Session, endpoint: Endpoint) -> Cluster:
    [(version, datacenter)] = session.query("SELECT release_version, data_center FROM system.local")
    if int(version.split(".")[0]) < OLDEST:
        raise Unsupported(
            f"Cassandra {version} at {endpoint.hosts[0]} is older than {OLDEST}",
            hint="Upgrade it, or let Myriad run its own: myriad up --cassandra 1.",
        )
    others = session.query("SELECT data_center FROM system.peers_v2")
    datacenters = dict(Counter([datacenter, *(name for (name,) in others)]))
    login = "required" if endpoint.user else "open"
    if endpoint.user:
        _check_rights(session, endpoint.user)
    return Cluster("attached", endpoint, login, datacenters, None, version)


def _check_rights(session: Session, user: str) -> None:
    try:
        found = session.query("SELECT is_superuser FROM system_auth.roles WHERE role = ?", [user])
    except CqlError as error:
        if error.code != CqlError.UNAUTHORIZED:
            raise
        found = []
    if not found or not found[0][0]:
        raise Unsupported(
            f"role {user!r} is no superuser there, so Myriad can make neither people nor keyspaces",
            hint=f"As one that is: ALTER ROLE {quoted(user)} WITH SUPERUSER = true;",
        )
