"""Sessions of five drivers behind one small surface: what each makes of a prepared statement.

Statements are written with `$1`, `$2`; values go and come as text. An error that has an SQLSTATE is
an answer, too: it is raised as Answered, and what the driver needs to go on then has been done.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import asyncpg
import psycopg
import psycopg2

from myriad.connect import Target
from tests.door_clients import keywords
from tests.drivers import Program

SECONDS = 60  # for one statement of asyncpg's; far more than it needs
Rows = list[tuple[str, ...]]


class Answered(Exception):
    """The server answered with this SQLSTATE."""


class Session(Protocol):
    """One connection of a driver."""

    def do(self, text: str) -> None:
        """Run a statement that is not prepared, for good."""

    def ask(self, text: str, value: str) -> Rows:
        """Run a statement that is prepared once; raises Answered."""

    def close(self) -> None:
        """Leave."""


def shown(rows: Any) -> Rows:
    """Return rows as every driver shows them here."""
    return [tuple(_text(value) for value in row) for row in rows]


def _text(value: object) -> str:
    if isinstance(value, bytes):  # of a type that psycopg does not know
        return value.decode()
    return "null" if value is None else str(value)


class Psycopg:
    """psycopg 3, as it comes, or `plain=False`: without transactions, and with binary answers."""

    def __init__(self, who: Target, *, plain: bool = True) -> None:
        self._connection = psycopg.connect(**keywords(who), autocommit=not plain)
        self._binary = not plain

    def do(self, text: str) -> None:
        self._connection.execute(text.encode())
        self._connection.commit()

    def ask(self, text: str, value: str) -> Rows:
        written = text.replace("$1", "%s").encode()
        try:
            cursor = self._connection.execute(written, [value], prepare=True, binary=self._binary)
            rows = cursor.fetchall()
            self._connection.commit()
        except psycopg.Error as error:
            self._connection.rollback()
            raise Answered(error.sqlstate) from error
        return shown(rows)

    def close(self) -> None:
        self._connection.close()


class Psycopg2:
    """psycopg2, which knows the simple protocol alone: its programs say PREPARE themselves."""

    def __init__(self, who: Target) -> None:
        self._connection = psycopg2.connect(**keywords(who))
        self._names: dict[str, str] = {}

    def do(self, text: str) -> None:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(text)

    def ask(self, text: str, value: str) -> Rows:
        name = self._names.get(text)
        try:
            if name is None:
                name = f"mine_{len(self._names)}"
                self.do(f"PREPARE {name} AS {text}")
                self._names[text] = name
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(f"EXECUTE {name}(%s)", [value])
                return shown(cursor.fetchall())
        except psycopg2.Error as error:
            self._forget(text)
            raise Answered(error.pgcode) from error

    def _forget(self, text: str) -> None:
        name = self._names.pop(text, None)
        if name is not None:
            with suppress(psycopg2.Error):
                self.do(f"DEALLOCATE {name}")

    def close(self) -> None:
        self._connection.close()


class Asyncpg:
    """asyncpg, which keeps what it was told of a statement, and reads everything as binary."""

    def __init__(self, who: Target) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._run(asyncpg.connect(**keywords(who, "database"), ssl=False))

    def _run(self, work: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(SECONDS):
                return await work

        return self._runner.run(bounded())

    def do(self, text: str) -> None:
        self._run(self._connection.execute(text))

    def ask(self, text: str, value: str) -> Rows:
        try:
            given = int(value) if value.isdigit() else value
            return shown(self._run(self._connection.fetch(text, given)))
        except asyncpg.PostgresError as error:
            raise Answered(error.sqlstate) from error

    def close(self) -> None:
        self._run(self._connection.close())
        self._runner.close()


@dataclass
class Remote:
    """A session of a program in another language."""

    program: Program
    name: str

    def do(self, text: str) -> None:
        assert self._told("do", text) == []

    def ask(self, text: str, value: str) -> Rows:
        return self._told("ask", text, value)

    def _told(self, *words: str) -> Rows:
        answer = self.program.tell(self.name, *words)
        if answer.startswith("!"):
            raise Answered(answer[1:])
        return [tuple(row.split("\t")[1:]) for row in answer.split("\f")[1:]]

    def close(self) -> None:
        self.program.tell(self.name, "close")


def jdbc(program: Program, name: str, who: Target, **more: str) -> Remote:
    """Connect pgjdbc; `autocommit=off` is for the connection, the rest for the driver."""
    autocommit = more.pop("autocommit", "on")
    given = {"user": who.user, "password": who.password, "stringtype": "unspecified", **more}
    url = f"jdbc:postgresql://{who.host}:{who.port}/{quote(who.database)}?{_query(given)}"
    session = Remote(program, name)
    assert session._told("connect", url, autocommit) == []  # noqa: SLF001 - it is ours
    return session


def node(program: Program, name: str, who: Target) -> Remote:
    """Connect node-postgres."""
    given = f"{quote(who.user)}:{quote(who.password)}@{who.host}:{who.port}/{quote(who.database)}"
    session = Remote(program, name)
    assert session._told("connect", f"postgresql://{given}") == []  # noqa: SLF001 - it is ours
    return session


def _query(given: dict[str, str]) -> str:
    return urlencode(given, quote_via=quote)


JAVA = r"""
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;

class Asks {
  static final Map<String, Connection> connections = new HashMap<>();
  static final Map<String, PreparedStatement> prepared = new HashMap<>();

  static String rows(PreparedStatement statement, String value) throws SQLException {
    statement.setString(1, value);
    StringBuilder all = new StringBuilder("=");
    try (ResultSet found = statement.executeQuery()) {
      while (found.next()) {
        all.append("\f");
        for (int i = 1; i <= found.getMetaData().getColumnCount(); i++)
          all.append("\t").append(found.getObject(i));
      }
    }
    return all.toString();
  }

  static String answer(String[] said) throws SQLException {
    Connection connection = connections.get(said[0]);
    switch (said[1]) {
      case "connect":
        Connection made = DriverManager.getConnection(said[2]);
        made.setAutoCommit(said[3].equals("on"));
        connections.put(said[0], made);
        return "=";
      case "do":
        try (Statement statement = connection.createStatement()) {
          statement.execute(said[2]);
        }
        if (!connection.getAutoCommit()) connection.commit();
        return "=";
      case "ask":
        String key = said[0] + "\t" + said[2];
        if (!prepared.containsKey(key))
          prepared.put(key, connection.prepareStatement(said[2].replace("$1", "?")));
        String found = rows(prepared.get(key), said[3]);
        if (!connection.getAutoCommit()) connection.commit();
        return found;
      default:
        prepared.keySet().removeIf(each -> each.startsWith(said[0] + "\t"));
        connections.remove(said[0]).close();
        return "=";
    }
  }

  public static void main(String[] arguments) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null; ) {
      String[] said = line.split("\t", -1);
      String answer;
      try {
        answer = answer(said);
      } catch (SQLException error) {
        answer = "!" + (error.getSQLState() == null ? error : error.getSQLState());
        Connection connection = connections.get(said[0]);
        if (connection != null && !connection.getAutoCommit()) connection.rollback();
      }
      System.out.println(answer);
    }
  }
}
"""

JAVASCRIPT = r"""
const { Client } = require('pg');
const lines = require('node:readline').createInterface({ input: process.stdin });

const clients = new Map();

async function answer([name, verb, text, value]) {
  if (verb === 'connect') {
    const client = new Client({ connectionString: text });
    await client.connect();
    clients.set(name, client);
  } else if (verb === 'do') {
    await clients.get(name).query(text);
  } else if (verb === 'close') {
    await clients.get(name).end();
  } else {
    const query = { name: text.slice(0, 60), text, values: [value], rowMode: 'array' };
    const { rows } = await clients.get(name).query(query);
    return '=' + rows.map((row) => '\f' + row.map((each) => '\t' + each).join('')).join('');
  }
  return '=';
}

(async () => {
  for await (const line of lines) {
    console.log(await answer(line.split('\t')).catch((error) => '!' + (error.code || error)));
  }
})();
"""
