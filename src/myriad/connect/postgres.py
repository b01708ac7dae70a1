"""Lines of clients that speak the PostgreSQL protocol."""

import ipaddress
import json
import shlex
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

# Stands where a password belongs that Myriad does not know: it keeps only verifiers.
UNKNOWN = "PASSWORD"


SYSTEM = "system"  # libpq's word for the certificates that the machine trusts


@dataclass(frozen=True)
class Trust:
    """How a client makes sure whom it speaks to.

    Attributes:
        mode: libpq's `sslmode`: `verify-full` or `verify-ca`, which does not look at the name.
        ca: file (PEM) that vouches for the server, or SYSTEM.
    """

    mode: str
    ca: str


@dataclass(frozen=True)
class Target:
    """Where and as whom to connect; `trust` where the connection must be encrypted."""

    host: str
    port: int
    database: str
    user: str
    password: str = UNKNOWN
    trust: Trust | None = None

    def uri(self, *, with_password: bool = False) -> str:
        """Return it as `postgresql://` (RFC 3986), as libpq, asyncpg and others read it."""
        secret = f":{quote(self.password, safe='')}" if with_password else ""
        return (
            f"postgresql://{quote(self.user, safe='')}{secret}@{self.address()}"
            f"/{quote(self.database, safe='')}{self.query()}"
        )

    def query(self) -> str:
        """Return what a URI says of encryption."""
        return f"?{urlencode(self.ssl(), quote_via=quote)}" if self.trust else ""

    def ssl(self) -> dict[str, str]:
        """Return libpq's parameters of encryption."""
        return {"sslmode": self.trust.mode, "sslrootcert": self.trust.ca} if self.trust else {}

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


def _libpq(to: Target) -> str:
    return _keywords(to, "dbname") + "".join(f", {name}={it!r}" for name, it in to.ssl().items())


def _psycopg2(to: Target) -> str:
    return f"""\
# pip install psycopg2-binary
import psycopg2

connection = psycopg2.connect({_libpq(to)})"""


def _psycopg(to: Target) -> str:
    return f"""\
# pip install 'psycopg[binary]'
import psycopg

connection = psycopg.connect({_libpq(to)})"""


def _asyncpg(to: Target) -> str:
    arguments, first = _keywords(to, "database"), ""
    if to.trust:
        file = "" if to.trust.ca == SYSTEM else f"cafile={to.trust.ca!r}"
        first = f"import ssl\n\ntrusted = ssl.create_default_context({file})\n"
        if to.trust.mode == "verify-ca":
            first += "trusted.check_hostname = False\n"
        arguments += ", ssl=trusted"
    return f"""\
# pip install asyncpg
import asyncio
import asyncpg
{first}
async def main():
    connection = await asyncpg.connect({arguments})
    print(await connection.fetchval("SELECT current_user"))
    await connection.close()

asyncio.run(main())"""


def _sqlalchemy(to: Target) -> str:
    return f"# pip install sqlalchemy 'psycopg[binary]'\n{_engine(to)}"


def _engine(to: Target) -> str:
    query = f",\n                 query={to.ssl()!r}" if to.trust else ""
    return f"""\
from sqlalchemy import URL, create_engine

url = URL.create("postgresql+psycopg", username={to.user!r}, password={to.password!r},
                 host={to.host!r}, port={to.port}, database={to.database!r}{query})
engine = create_engine(url)"""


def _pandas(to: Target) -> str:
    return f"""\
# pip install pandas sqlalchemy 'psycopg[binary]'
import pandas
{_engine(to)}
frame = pandas.read_sql("SELECT current_user", engine)"""


def _text(value: str) -> str:
    """Return a string literal as JSON, JavaScript and Java have it, in ASCII."""
    return json.dumps(value)


def _jdbc(to: Target) -> str:
    return f"""\
// The driver: https://jdbc.postgresql.org/download/ (Maven: org.postgresql:postgresql)
var connection = java.sql.DriverManager.getConnection(
    {_text(jdbc_url(to))}, {_text(to.user)}, {_text(to.password)});"""


def jdbc_url(to: Target) -> str:
    """Return the URL for PostgreSQL's JDBC driver, without name and password."""
    query = to.query()
    if to.trust and to.trust.ca == SYSTEM:  # its own word for that
        query = f"?sslmode={to.trust.mode}&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory"
    return f"jdbc:postgresql://{to.address()}/{quote(to.database, safe='')}{query}"


def _node(to: Target) -> str:
    ssl = ""
    if to.trust:
        known = (
            "" if to.trust.ca == SYSTEM else f'ca: require("fs").readFileSync({_text(to.trust.ca)})'
        )
        lax = to.trust.mode == "verify-ca"
        rest = "checkServerIdentity: () => undefined" if lax else ""
        ssl = f"  ssl: {{ {', '.join(filter(None, (known, rest)))} }},\n"
    return f"""\
// npm install pg
const {{ Client }} = require("pg");

const client = new Client({{
  host: {_text(to.host)}, port: {to.port}, database: {_text(to.database)},
  user: {_text(to.user)}, password: {_text(to.password)},
{ssl}}});
client.connect();"""


def _r_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _r(to: Target) -> str:
    ssl = "".join(f",\n  {name} = {_r_text(value)}" for name, value in to.ssl().items())
    return f"""\
# install.packages("RPostgres")
connection <- DBI::dbConnect(RPostgres::Postgres(),
  host = {_r_text(to.host)}, port = {to.port}, dbname = {_r_text(to.database)},
  user = {_r_text(to.user)}, password = {_r_text(to.password)}{ssl})"""


def _pgpass(to: Target) -> str:
    fields = (to.host, str(to.port), to.database, to.user, to.password)
    return ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields)


def _service(to: Target) -> str:
    ssl = "".join(f"{name}={value}\n" for name, value in to.ssl().items())
    return (
        f"[myriad]\nhost={to.host}\nport={to.port}\ndbname={to.database}\nuser={to.user}\n{ssl}"
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
