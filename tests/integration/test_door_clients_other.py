"""Drivers of other languages through the door: pgjdbc and node-postgres, with their own pools."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.connect import Target
from tests.door_clients import LONG, ROWS, Place, made_place
from tests.drivers import run


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


def about(who: Target) -> dict[str, str]:
    """Return how the programs below hear where to connect to."""
    found = {
        "host": who.host,
        "port": who.port,
        "database": who.database,
        "user": who.user,
        "password": who.password,
        "long": LONG,
        "rows": ROWS,
    }
    each = {f"DOOR_{name.upper()}": str(value) for name, value in found.items()}
    return {"DOOR": json.dumps(found), **each, "LC_ALL": "C.UTF-8"}


@pytest.mark.nightly(daily="tests/integration/test_connect.py::test_jdbc[plain]")
def test_jdbc(place: Place, jdbc: Path, tmp_path: Path) -> None:
    program = tmp_path / "Door.java"
    program.write_text(JAVA, "utf-8")
    said = run("java", "-cp", jdbc, program, folder=tmp_path, environment=about(place.writer))
    assert said.splitlines()[-1] == "all done"


@pytest.mark.nightly(daily="tests/integration/test_connect.py::test_python")
def test_node(place: Place, node: Path) -> None:
    (node / "door.js").write_text(JAVASCRIPT, "utf-8")
    said = run("node", "door.js", folder=node, environment=about(place.writer))
    assert said.splitlines()[-1] == "all done"


JAVA = r"""
import java.io.*;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;

class Door {
  static Map<String, String> env = System.getenv();

  static void check(boolean fine, Object what) {
    if (!fine) throw new AssertionError(String.valueOf(what));
  }

  static Connection connect(String... more) throws SQLException {
    Properties all = new Properties();
    all.put("user", env.get("DOOR_USER"));
    all.put("password", env.get("DOOR_PASSWORD"));
    for (int i = 0; i < more.length; i += 2) all.put(more[i], more[i + 1]);
    String database = java.net.URLEncoder.encode(
        env.get("DOOR_DATABASE"), java.nio.charset.StandardCharsets.UTF_8).replace("+", "%20");
    return DriverManager.getConnection("jdbc:postgresql://" + env.get("DOOR_HOST") + ":"
        + env.get("DOOR_PORT") + "/" + database, all);
  }

  static void prepared(Connection connection) throws SQLException {
    PreparedStatement one = connection.prepareStatement("SELECT carrier FROM flight WHERE id = ?");
    for (int round = 0; round < 20; round++) {  // named in the server from the fifth on
      one.setInt(1, round + 1);
      ResultSet found = one.executeQuery();
      check(found.next() && found.getString(1).equals("carrier " + (round + 1) % 7), round);
    }
    one.close();
    PreparedStatement many = connection.prepareStatement(
        "INSERT INTO note (body, flight) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS);
    for (int i = 1; i <= 300; i++) {
      many.setString(1, "é" + i);
      many.setInt(2, i);
      many.addBatch();
    }
    check(many.executeBatch().length == 300, "batch");
    ResultSet keys = many.getGeneratedKeys();
    int count = 0;
    while (keys.next()) count++;
    check(count == 300, count);
    check(connection.createStatement().executeUpdate("DELETE FROM note") == 300, "delete");
  }

  static void fetches(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    Statement statement = connection.createStatement();
    statement.setFetchSize(50);
    ResultSet rows = statement.executeQuery("SELECT id FROM flight ORDER BY id");
    int last = 0;
    while (rows.next()) check(rows.getInt(1) == ++last, last);
    check(last == Integer.parseInt(env.get("DOOR_ROWS")), last);
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void autosave() throws SQLException {
    try (Connection connection = connect("autosave", "always")) {
      connection.setAutoCommit(false);
      Statement statement = connection.createStatement();
      statement.execute("INSERT INTO note (body) VALUES ('kept')");
      try {
        statement.execute("SELECT 1/0");
        check(false, "no error");
      } catch (SQLException error) {
        check(error.getSQLState().equals("22012"), error.getSQLState());
      }
      check(statement.executeUpdate("DELETE FROM note") == 1, "kept");
      Savepoint point = connection.setSavepoint("here");
      connection.rollback(point);
      connection.rollback();
    }
  }

  static void metadata(Connection connection) throws SQLException {
    DatabaseMetaData about = connection.getMetaData();
    check(about.getUserName().equals(env.get("DOOR_USER")), about.getUserName());
    Set<String> found = new TreeSet<>();
    ResultSet tables = about.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"});
    while (tables.next()) found.add(tables.getString("TABLE_NAME"));
    check(found.containsAll(List.of("flight", "late", "note")), found);
    ResultSet keys = about.getPrimaryKeys(null, "public", "flight");
    check(keys.next() && keys.getString("COLUMN_NAME").equals("id"), "key");
    check(about.getImportedKeys(null, "public", "note").next(), "foreign key");
    check(about.getColumns(null, "public", "flight", null).next(), "columns");
    check(about.getIndexInfo(null, "public", "flight", false, false).next(), "indexes");
    connection.setReadOnly(true);
    connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    check(connection.getTransactionIsolation() == Connection.TRANSACTION_SERIALIZABLE, "isolation");
    try {
      connection.createStatement().execute("DELETE FROM note");
      connection.setAutoCommit(false);
      connection.createStatement().execute("DELETE FROM note");
      check(false, "wrote though it was read only");
    } catch (SQLException error) {
      check(error.getSQLState().equals("25006"), error.getSQLState());
    }
    connection.rollback();
    connection.setAutoCommit(true);
    connection.setReadOnly(false);
    connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    check(connection.isValid(5), "valid");
  }

  static void cancels(Connection connection) throws SQLException {
    for (int round = 0; round < 2; round++) {
      try (Statement statement = connection.createStatement()) {
        statement.setQueryTimeout(1);
        statement.execute(env.get("DOOR_LONG"));
        check(false, "not cancelled");
      } catch (SQLException error) {
        check(error.getSQLState().equals("57014"), error.getSQLState());
      }
      check(connection.createStatement().executeQuery("SELECT 1").next(), "goes on");
    }
  }

  static void copies(Connection connection) throws Exception {
    var manager = connection.unwrap(PGConnection.class).getCopyAPI();
    String lines = "x\n".repeat(5000);
    check(manager.copyIn("COPY note (body) FROM STDIN", new StringReader(lines)) == 5000, "in");
    StringWriter out = new StringWriter();
    check(manager.copyOut("COPY note (body) TO STDOUT", out) == 5000, "out");
    check(out.toString().equals(lines), "what came");
    check(connection.createStatement().executeUpdate("DELETE FROM note") == 5000, "deleted");
    var half = manager.copyIn("COPY note (body) FROM STDIN");
    half.writeToCopy("never\n".getBytes(), 0, 6);
    half.cancelCopy();
    check(!connection.createStatement().executeQuery("SELECT * FROM note").next(), "cancelled");
  }

  static void together() throws Exception {
    ExecutorService workers = Executors.newFixedThreadPool(16);
    List<Future<?>> all = new ArrayList<>();
    for (int worker = 0; worker < 16; worker++)
      all.add(workers.submit(() -> {
        try (Connection connection = connect("prepareThreshold", "1", "binaryTransfer", "true")) {
          for (int round = 0; round < 50; round++) {
            PreparedStatement one = connection.prepareStatement("SELECT ?::int + " + round % 7);
            one.setInt(1, round);
            ResultSet found = one.executeQuery();
            check(found.next() && found.getInt(1) == round + round % 7, round);
            one.close();
          }
        }
        return null;
      }));
    for (Future<?> each : all) each.get();
    workers.shutdown();
  }

  public static void main(String[] arguments) throws Exception {
    String[][] ways = {
      {}, {"prepareThreshold", "1"}, {"preferQueryMode", "simple"},
      {"preferQueryMode", "extendedCacheEverything"}, {"sslmode", "require"},
    };
    for (String[] way : ways)
      try (Connection connection = connect(way)) {
        prepared(connection);
        fetches(connection);
      }
    try (Connection connection = connect()) {
      metadata(connection);
      cancels(connection);
      copies(connection);
    }
    autosave();
    together();
    System.out.println("all done");
  }
}
"""

JAVASCRIPT = r"""
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { from, to } = require('pg-copy-streams');
const { pipeline } = require('node:stream/promises');
const { Readable, Writable } = require('node:stream');
const assert = require('node:assert');

const { long, rows, ...person } = JSON.parse(process.env.DOOR);

async function named() {
  const pool = new Pool({ ...person, max: 20 });
  const one = async (number) => {
    const found = await pool.query({
      name: `named ${number % 5}`,
      text: `SELECT $1::int + ${number % 5} AS more, current_user AS who`,
      values: [number],
    });
    assert.deepStrictEqual(found.rows[0], { more: number + number % 5, who: person.user });
  };
  await Promise.all(Array.from({ length: 1000 }, (_, number) => one(number)));
  await pool.end();
}

async function transactions() {
  const client = new Client(person);
  await client.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO note (body) VALUES ($1)', ['x']);
  await assert.rejects(client.query('SELECT 1/0'), { code: '22012' });
  await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
  await client.query('ROLLBACK');
  const both = await client.query('SELECT 1 AS a; SELECT 2 AS b');
  assert.strictEqual(both[1].rows[0].b, 2);
  await assert.rejects(client.query({ name: 'bad', text: 'SELECT nothing' }), { code: '42703' });
  await assert.rejects(client.query({ name: 'bad', text: 'SELECT nothing' }), { code: '42703' });
  await client.query("SET statement_timeout = '100ms'");
  await assert.rejects(client.query(long), { code: '57014' });
  await client.end();
}

async function cursors() {
  const client = new Client(person);
  await client.connect();
  const cursor = client.query(new Cursor('SELECT id FROM flight ORDER BY id'));
  assert.strictEqual((await cursor.read(100)).length, 100);
  assert.strictEqual((await cursor.read(10))[9].id, 110);
  await cursor.close();
  assert.strictEqual((await client.query('SELECT 5 AS n')).rows[0].n, 5);
  await client.end();
}

async function copies() {
  const client = new Client(person);
  await client.connect();
  const lines = 'é\n'.repeat(5000);
  await pipeline(Readable.from([lines]), client.query(from('COPY note (body) FROM STDIN')));
  let out = '';
  const sink = new Writable({ write(part, _, done) { out += part.toString('latin1'); done(); } });
  await pipeline(client.query(to('COPY note (body) TO STDOUT')), sink);
  assert.strictEqual(Buffer.from(out, 'latin1').toString(), lines);
  assert.strictEqual((await client.query('DELETE FROM note')).rowCount, 5000);
  await client.end();
}

async function encrypted() {
  const client = new Client({ ...person, ssl: { rejectUnauthorized: false } });
  await client.connect();
  assert.strictEqual((await client.query('SELECT count(*)::int AS n FROM flight')).rows[0].n, rows);
  await client.end();
  await assert.rejects(new Client({ ...person, password: 'wrong' }).connect(), { code: '28P01' });
  await assert.rejects(new Client({ ...person, database: 'none' }).connect(), { code: '3D000' });
  await assert.rejects(new Client({ ...person, database: 'main' }).connect(), { code: '42501' });
}

(async () => {
  for (const part of [named, transactions, cursors, copies, encrypted]) await part();
  console.log('all done');
})().catch((error) => { console.error(error); process.exit(1); });
"""
