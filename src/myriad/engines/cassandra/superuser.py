"""Myriad's own login in a Cassandra of ours; the one that everybody knows is shut."""

import secrets
from dataclasses import replace

import bcrypt

from myriad.cql.connection import Connection, Endpoint
from myriad.cql.names import quoted
from myriad.errors import CqlError
from myriad.home import Home

NAME = "myriad"
DEFAULT = "cassandra"  # the superuser of a new Cassandra, and its password
FILE = "cassandra.password"
REMEMBERS = ("credentials_cache_keys", "roles_cache_keys", "permissions_cache_keys")


def login(home: Home, endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with Myriad's login, made at the first start.

    Then the default superuser may neither log in nor do anything. Each step may be interrupted
    and is repeated by the next start. Raises NotRunning while nobody can log in yet, CqlError.
    """
    own = replace(endpoint, user=NAME, password=_password(home))
    try:
        _shut_default(own)
    except CqlError as error:
        if error.code != CqlError.BAD_CREDENTIALS:
            raise
        _make(replace(endpoint, user=DEFAULT, password=DEFAULT), own.password)
        _shut_default(own)
    return own


def _password(home: Home) -> str:
    """Return the password in the home's secrets, generated if there is none."""
    path = home.secrets / FILE
    if not path.exists():
        home.write_private(path, secrets.token_urlsafe(32))
    return path.read_text("utf-8")


def _make(endpoint: Endpoint, password: str) -> None:
    # Nobody guesses 32 random bytes, and each connection of ours pays for the hash: the least cost.
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a")).decode()
    options = f"SUPERUSER = true AND LOGIN = true AND HASHED PASSWORD = '{hashed}'"
    connection = Connection(endpoint, endpoint.hosts[0])
    try:
        connection.query(f"CREATE ROLE IF NOT EXISTS {quoted(NAME)} WITH {options}")
        connection.query(f"ALTER ROLE {quoted(NAME)} WITH {options}")
    finally:
        connection.close()


def _shut_default(endpoint: Endpoint) -> None:
    connection = Connection(endpoint, endpoint.hosts[0])
    try:
        found = connection.query(
            "SELECT can_login, is_superuser FROM system_auth.roles WHERE role = 'cassandra'"
        )
        if found and any(found[0]):
            connection.query("ALTER ROLE cassandra WITH SUPERUSER = false AND LOGIN = false")
        forget_roles(connection)
    finally:
        connection.close()


def forget_roles(node: Connection) -> None:
    """Let a node ask again who may what: it would remember for a while. Raises CqlError."""
    for cache in REMEMBERS:
        node.query(f"TRUNCATE system_views.{cache}")
