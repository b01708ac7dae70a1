"""Lines of clients that speak the PostgreSQL protocol."""

import ipaddress
import json
import shlex
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

# Stands where a password belongs that Myriad does not know: it keeps only verifiers.
UNKNOWN = "PASSWORD"


@dataclass(frozen=True)
class Target:
    """Where and as whom to connect."""

    host: str
    port: int
    database: str
    user: str
    password: str = UNKNOWN

    def uri(self, *, with_password: bool = False) -> str:
        """Return it as `postgresql://` (RFC 3986), as libpq, asyncpg and others read it."""
        secret = f":{quote(self.password, safe='')}" if with_password else ""
        return (
            f"postgresql://{quote(self.user, safe='')}{secret}@{self.address()}"
            f"/{quote(self.database, safe='')}"
        )

    def address(self) -> str:
        """Return host and port; an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def reachable(host: str) -> str:
    """Return an address that people can connect to; one that means all of a machine's is none."""
    try:
        unspecified = ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name
        return host
    return socket.getfqdn() if unspecified else host


def _psql(to: Target) -> str:
    return f"psql {shlex.quote(to.uri())}"


def _keywords(to: Target, database: str) -> str:
    return (
        f"host={to.host!r}, port={to.port}, {database}={to.database!r},"
        f" user={to.user!r}, password={to.password!r}"
    )


def _psycopg2(to: Target) -> str:
    return f"import psycopg2\n\nconnection = psycopg2.connect({_keywords(to, 'dbname')})"


def _psycopg(to: Target) -> str:
    return f"import psycopg\n\nconnection = psycopg.connect({_keywords(to, 'dbname')})"


def _asyncpg(to: Target) -> str:
    return f"""\
import asyncio
import asyncpg

async def main():
    connection = await asyncpg.connect({_keywords(to, "database")})
    print(await connection.fetchval("SELECT current_user"))
    await connection.close()

asyncio.run(main())"""


def _sqlalchemy(to: Target) -> str:
    return f"""\
from sqlalchemy import URL, create_engine

url = URL.create("postgresql+psycopg", username={to.user!r}, password={to.password!r},
                 host={to.host!r}, port={to.port}, database={to.database!r})
engine = create_engine(url)"""


def _pandas(to: Target) -> str:
    return f"""\
import pandas
{_sqlalchemy(to)}
frame = pandas.read_sql("SELECT current_user", engine)"""


def _text(value: str) -> str:
    """Return a string literal as JSON, JavaScript and Java have it, in ASCII."""
    return json.dumps(value)


def _jdbc(to: Target) -> str:
    url = f"jdbc:postgresql://{to.address()}/{quote(to.database, safe='')}"
    return f"""\
var connection = java.sql.DriverManager.getConnection(
    {_text(url)}, {_text(to.user)}, {_text(to.password)});"""


def _node(to: Target) -> str:
    return f"""\
const {{ Client }} = require("pg");

const client = new Client({{
  host: {_text(to.host)}, port: {to.port}, database: {_text(to.database)},
  user: {_text(to.user)}, password: {_text(to.password)},
}});
client.connect();"""


def _r_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _r(to: Target) -> str:
    return f"""\
connection <- DBI::dbConnect(RPostgres::Postgres(),
  host = {_r_text(to.host)}, port = {to.port}, dbname = {_r_text(to.database)},
  user = {_r_text(to.user)}, password = {_r_text(to.password)})"""


def _pgpass(to: Target) -> str:
    fields = (to.host, str(to.port), to.database, to.user, to.password)
    return ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields)


def _service(to: Target) -> str:
    return (
        f"[myriad]\nhost={to.host}\nport={to.port}\ndbname={to.database}\nuser={to.user}\n"
        "# then: psql service=myriad"
    )


@dataclass(frozen=True)
class Client:
    """A client: what it is for people, and its lines."""

    title: str
    lines: Callable[[Target], str]


CLIENTS = {
    "psql": Client("psql (asks for the password)", _psql),
    "psycopg2": Client("Python, psycopg2", _psycopg2),
    "psycopg": Client("Python, psycopg 3", _psycopg),
    "asyncpg": Client("Python, asyncpg", _asyncpg),
    "sqlalchemy": Client("Python, SQLAlchemy", _sqlalchemy),
    "pandas": Client("Python, pandas", _pandas),
    "jdbc": Client("Java, JDBC", _jdbc),
    "node": Client("JavaScript, node-postgres", _node),
    "r": Client("R, RPostgres", _r),
    "pgpass": Client("~/.pgpass (chmod 600): no more questions for the password", _pgpass),
    "service": Client("~/.pg_service.conf", _service),
}
