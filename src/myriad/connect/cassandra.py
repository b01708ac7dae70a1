"""Lines of clients that speak CQL."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from myriad.connect.postgres import UNKNOWN


@dataclass(frozen=True)
class Contact:
    """Where and as whom to connect.

    Attributes:
        user: empty where login is open.
        datacenter: the one to ask first; some drivers want it named.
        ca: file with the certificates (PEM) that vouch for the nodes; empty: no encryption.
    """

    hosts: tuple[str, ...]
    port: int
    datacenter: str
    user: str = ""
    password: str = UNKNOWN
    ca: str = ""


def _cqlsh(to: Contact) -> str:
    # `--username=`: what follows is a value, also where it begins with a dash.
    login = f" {shlex.quote(f'--username={to.user}')}" if to.user else ""
    before = f"SSL_CERTFILE={shlex.quote(to.ca)} " if to.ca else ""
    return f"{before}cqlsh{' --ssl' if to.ca else ''}{login} {shlex.quote(to.hosts[0])} {to.port}"


def _driver(to: Contact) -> str:
    first, options = [], [f"{list(to.hosts)!r}", f"port={to.port}"]
    if to.user:
        first.append("from cassandra.auth import PlainTextAuthProvider")
        login = f"PlainTextAuthProvider(username={to.user!r}, password={to.password!r})"
        options.append(f"auth_provider={login}")
    if to.ca:
        first.insert(0, "import ssl\n")
        options.append(f"ssl_context=ssl.create_default_context(cafile={to.ca!r})")
    first.insert(0, "# pip install cassandra-driver")
    lines = [*first, "from cassandra.cluster import Cluster", "", "cluster = Cluster("]
    lines += [f"    {option}," for option in options]
    return "\n".join([*lines, ")", "session = cluster.connect()"])


def _text(value: str) -> str:
    """Return a string literal as JavaScript and Java have it, in ASCII."""
    return json.dumps(value)


def _java(to: Contact) -> str:
    points = [
        f"    .addContactPoint(new java.net.InetSocketAddress({_text(host)}, {to.port}))"
        for host in to.hosts
    ]
    options = [f"    .withLocalDatacenter({_text(to.datacenter)})"]
    if to.user:
        options.append(f"    .withAuthCredentials({_text(to.user)}, {_text(to.password)})")
    start = [
        "// Maven: org.apache.cassandra:java-driver-core",
        "var session = com.datastax.oss.driver.api.core.CqlSession.builder()",
    ]
    if to.ca:
        start.insert(
            0, "// Certificates: java -Djavax.net.ssl.trustStore=FILE (keytool -importcert)"
        )
        options.append("    .withSslContext(javax.net.ssl.SSLContext.getDefault())")
    return "\n".join([*start, *points, *options, "    .build();"])


def _node(to: Contact) -> str:
    hosts = ", ".join(map(_text, to.hosts))
    options = [
        f"contactPoints: [{hosts}], protocolOptions: {{ port: {to.port} }}",
        f"localDataCenter: {_text(to.datacenter)}",
    ]
    if to.user:
        login = f"{_text(to.user)}, {_text(to.password)}"
        options.append(f"authProvider: new cassandra.auth.PlainTextAuthProvider({login})")
    if to.ca:
        ca = f'require("fs").readFileSync({_text(to.ca)})'
        options.append(f"sslOptions: {{ ca: [{ca}], rejectUnauthorized: true }}")
    body = "".join(f"  {option},\n" for option in options)
    start = (
        "// npm install cassandra-driver\n"
        'const cassandra = require("cassandra-driver");\n\nconst client = new cassandra.Client({'
    )
    return f"{start}\n{body}}});\nclient.connect();"


@dataclass(frozen=True)
class Client:
    """A client: what it is for people, and its lines."""

    title: str
    lines: Callable[[Contact], str]


CLIENTS = {
    "cqlsh": Client("Cassandra: cqlsh (asks for the password)", _cqlsh),
    "cassandra-driver": Client("Cassandra: Python, cassandra-driver", _driver),
    "cassandra-java": Client("Cassandra: Java, java-driver", _java),
    "cassandra-node": Client("Cassandra: JavaScript, cassandra-driver", _node),
}
