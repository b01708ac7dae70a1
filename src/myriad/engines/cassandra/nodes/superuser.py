"""Myriad's own login in a Cassandra of ours; the one that everybody knows is shut."""

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import bcrypt

from myriad.cql.connection import Connection, Consistency, Endpoint
from myriad.cql.names import quoted
from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes.clients import hosts
from myriad.errors import CqlError, EngineError
from myriad.home.files import write_private
from myriad.home.home import Home

NAME = "myriad"
DEFAULT = "cassandra"  # the superuser of a new Cassandra, and its password
FILE = "cassandra.password"
ROLES = "SELECT role, can_login, is_superuser, member_of FROM system_auth.roles"
MAKE = (  # as CREATE ROLE does, which takes no hashes in our nodes: see Roles.java
    "INSERT INTO system_auth.roles (role, can_login, is_superuser, salted_hash)"
    " VALUES ('{}', true, true, '{}')"
)
OPEN = "TRUNCATE system_views.jmx_permissions_cache_keys"  # see Gate.java
CLEARING = 2.0  # seconds; a node that does not answer forgets by itself
REMEMBERS = ("credentials_cache_keys", "roles_cache_keys", "permissions_cache_keys")

log = logging.getLogger("myriad.engines")


def login(home: Home, endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with Myriad's login, made at the first start.

    Then no other superuser may log in or do anything. Each step may be interrupted
    and is repeated by the next start. Raises NotRunning while nobody can log in yet, CqlError.
    """
    own = replace(endpoint, user=NAME, password=_password(home))
    try:
        _shut_others(own)
    except CqlError as error:
        if error.code != CqlError.BAD_CREDENTIALS:
            raise
        _make(replace(endpoint, user=DEFAULT, password=DEFAULT), own.password)
        _shut_others(own)
    return own


def _password(home: Home) -> str:
    """Return the password in the home's secrets, generated if there is none."""
    path = home.secrets / FILE
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text("utf-8")


def _make(endpoint: Endpoint, password: str) -> None:
    # Nobody guesses 32 random bytes, and each connection of ours pays for the hash: the least cost.
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a")).decode()
    connection = Connection(endpoint, endpoint.hosts[0])
    try:
        connection.query(MAKE.format(NAME, hashed), consistency=Consistency.QUORUM)
    finally:
        connection.close()


def _shut_others(endpoint: Endpoint) -> None:
    """Shut every other superuser: the default one, and those made while login was open."""
    connection = Connection(endpoint, endpoint.hosts[0])
    try:
        for name, enters, rules, roles in connection.query(ROLES):
            shut = name != NAME and (rules or (enters and name == DEFAULT))
            if shut:
                options = "SUPERUSER = false AND LOGIN = false"
                connection.query(f"ALTER ROLE {quoted(name)} WITH {options}")
            if NAME in (roles or ()):
                connection.query(f"REVOKE {quoted(NAME)} FROM {quoted(name)}")
            if (shut and name != DEFAULT) or NAME in (roles or ()):
                log.warning("Cassandra had a superuser %r that Myriad did not make: shut", name)
        forget_roles(connection)
    finally:
        connection.close()


def forget_roles(node: Connection) -> None:
    """Let a node ask again who may what: it would remember for a while. Raises CqlError."""
    for cache in REMEMBERS:
        node.query(f"TRUNCATE system_views.{cache}")


def forget_everywhere(session: Session, cluster: Cluster) -> None:
    """Let every node look again; one that is older than 4.1 does so within its `*_validity`."""
    _everywhere(session, cluster, forget_roles)


def let_people_in(session: Session, cluster: Cluster) -> None:
    """Let our nodes take statements of people: they know now who they are."""
    if cluster.kind == "embedded":
        _everywhere(session, cluster, lambda node: node.query(OPEN))


def _everywhere(session: Session, cluster: Cluster, ask: Callable[[Connection], object]) -> None:
    for host in hosts(cluster, session):
        endpoint = replace(cluster.endpoint, hosts=(host,))
        with suppress(EngineError), Connection(endpoint, host, timeout=CLEARING) as there:
            ask(there)
