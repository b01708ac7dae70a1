"""What lists tables and columns lists those that were granted, without being told where."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from click.testing import CliRunner

from myriad import Myriad, cli
from myriad.connect import Target
from myriad.engines.postgres import programs
from tests.door_clients import environment
from tests.drivers import run
from tests.granted import Datasets, made_datasets


@pytest.fixture(scope="module")
def sets(installation: Myriad) -> Iterator[Datasets]:
    with made_datasets(installation) as made:
        made.add("sales", table="orders")
        made.add("secret", table="salaries", granted=False)
        yield made


@pytest.fixture
def ann(sets: Datasets) -> Target:
    return sets.who(next(iter(sets.passwords)))


def test_psql_lists_tables_and_describes_one(ann: Target) -> None:
    psql = programs.find("", Path("/nonexistent"), None).path("psql")
    script = "\\dt\n\\d orders\n\\d salaries\n"
    done = subprocess.run(
        [psql, "-At"],
        input=script,
        env=environment(ann),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "public|members|table|" in done.stdout
    assert "sales|orders|table|" in done.stdout
    assert "place|text|" in done.stdout
    assert "salaries" not in done.stdout
    assert 'Did not find any relation named "salaries"' in done.stderr


JAVA = r"""
import java.sql.*;

class Lists {
  static void show(String what, ResultSet rows, String... columns) throws SQLException {
    while (rows.next()) {
      StringBuilder line = new StringBuilder(what);
      for (String column : columns) line.append(' ').append(rows.getString(column));
      System.out.println(line);
    }
  }

  public static void main(String[] given) throws SQLException {
    Connection connection = DriverManager.getConnection(given[0], given[1], given[2]);
    DatabaseMetaData about = connection.getMetaData();
    System.out.println("schema " + connection.getSchema());
    String[] kinds = {"TABLE"};
    show("table", about.getTables(null, null, "%", kinds), "TABLE_SCHEM", "TABLE_NAME");
    show("column", about.getColumns(null, null, "orders", null), "TABLE_SCHEM", "COLUMN_NAME");
    ResultSet rows = connection.createStatement().executeQuery("SELECT * FROM orders");
    ResultSetMetaData columns = rows.getMetaData();
    System.out.println("of " + columns.getColumnName(1));
  }
}
"""


def test_jdbc_lists_tables_and_columns(ann: Target, jdbc: Path, tmp_path: Path) -> None:
    program = tmp_path / "Lists.java"
    program.write_text(JAVA, "utf-8")
    url = f"jdbc:postgresql://{ann.host}:{ann.port}/{ann.database}"
    said = run(
        "java", "-cp", jdbc, program, url, ann.user, ann.password, folder=tmp_path
    ).splitlines()
    assert {"schema public", "table public members", "table sales orders"} <= set(said)
    assert "column sales place" in said
    assert said[-1] == "of place"


# What psqlODBC asks for SQLTables, SQLColumns and SQLPrimaryKeys: where no schema was given, of
# what is visible, or of the current schema.
ODBC_TABLES = """
    select relname, nspname, relkind from pg_catalog.pg_class c, pg_catalog.pg_namespace n
    where relkind in ('r', 'v', 'm', 'f', 'p')
    and nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'pg_temp_1')
    and n.oid = relnamespace and pg_catalog.pg_table_is_visible(c.oid)
    and has_table_privilege(c.oid, 'select') order by nspname, relname"""
ODBC_COLUMNS = """
    select n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod,
    a.attnotnull, c.relhasrules, c.relkind, c.oid, pg_get_expr(d.adbin, d.adrelid),
    case t.typtype when 'd' then t.typbasetype else 0 end, t.typtypmod, 0, attidentity,
    c.relhassubclass
    from (((pg_catalog.pg_class c inner join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    and c.relname = E'{}' and {})
    inner join pg_catalog.pg_attribute a on (not a.attisdropped) and a.attnum > 0
    and a.attrelid = c.oid) inner join pg_catalog.pg_type t on t.oid = a.atttypid)
    left outer join pg_attrdef d on a.atthasdef and d.adrelid = a.attrelid and d.adnum = a.attnum
    order by n.nspname, c.relname, attnum"""


def test_odbc_lists_tables_and_columns(sets: Datasets, ann: Target) -> None:
    with closing(sets.log_in(ann.user)) as session:
        tables = session.execute(ODBC_TABLES).fetchall()
        assert tables == [("members", "public", "r"), ("orders", "sales", "r")]
        current = "n.nspname = current_schema()"
        visible = "pg_catalog.pg_table_is_visible(c.oid)"
        for table, where in (("members", current), ("members", visible), ("orders", visible)):
            found = session.execute(ODBC_COLUMNS.format(table, where).encode()).fetchall()
            assert [row[2] for row in found] == ["place"]


def test_sqlalchemy_and_pandas_find_tables_of_any_dataset(ann: Target) -> None:
    where = {"host": ann.host, "port": ann.port, "database": ann.database}
    url = sqlalchemy.URL.create("postgresql+psycopg", ann.user, ann.password, **where)  # type: ignore[arg-type]
    engine = sqlalchemy.create_engine(url)
    try:
        about = sqlalchemy.inspect(engine)
        assert about.default_schema_name == "public"
        assert sorted(about.get_table_names()) == ["members", "orders"]
        assert [column["name"] for column in about.get_columns("orders")] == ["place"]
        assert about.has_table("orders")
        assert not about.has_table("salaries")
    finally:
        engine.dispose()


def test_granting_names_the_tables_that_hide_each_other(sets: Datasets, ann: Target) -> None:
    """Of what somebody may read, by whichever group; what nobody reads beside it hides nothing."""
    people, other = sets.installation.people, f"other {sets.group}"
    sets.add("more", "open", table="orders", granted=False)
    sets.ask("GRANT CREATE ON SCHEMA open TO pg_monitor", "CREATE TABLE more.x AS SELECT 1 AS n")
    people.add_groups([other])
    assert people.hidden([other], ["more"], sets.database) == []

    def grant(dataset: str, *more: str) -> str:
        home = str(sets.installation.home.folder)
        where = ("--database", sets.database, "--home", home, *more)
        done = CliRunner().invoke(cli.main, ["grant", other, dataset, *where])
        assert done.exit_code == 0, done.output
        return done.stderr

    try:
        assert grant("more") == ""
        people.join(other, [ann.user])
        said = "both in more and in sales: orders. The name alone means the one in more; the"
        assert grant("more") == f"{said} other is called sales.orders.\n"
        assert said in json.loads(grant("more", "--json"))["warning"]
        assert grant("more", "--quiet") == ""
        assert grant("open") == ""
        assert grant("public") == ""
    finally:
        people.remove_group(other)
