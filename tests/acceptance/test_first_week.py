"""What a student, a data engineer and an analyst do in their first week, with the commands."""

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
import psycopg
import pytest

import myriad
from myriad.home.home import Home
from tests.harness import reachable_folder, run, run_process, wait_until
from tests.own_ports import give_port

REFUSED, CHANGED_TOO_MUCH, DOWN = 1, 4, 3


@dataclass
class Office:
    """A home that is up, a folder of files, and the passwords that were printed."""

    home: Home
    folder: Path
    passwords: dict[str, str] = field(default_factory=dict)

    def does(self, *arguments: str, code: int = 0, given: str = "") -> str:
        """Run a command; return what it printed."""
        done = run(self.home, *arguments, given=given, folder=self.folder)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def data(self, *arguments: str) -> list[dict[str, object]]:
        """Run a command that answers in JSON; return it."""
        found: list[dict[str, object]] = json.loads(self.does(*arguments, "--json"))
        return found

    def joins(self, *arguments: str) -> None:
        """Add people; keep the passwords that are printed once."""
        for person in self.data("person", "add", *arguments):
            self.passwords[str(person["name"])] = str(person["password"])

    def file(self, name: str, text: str, encoding: str = "utf-8") -> str:
        (self.folder / name).write_text(text, encoding)
        return name

    def session(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        """Log in as a person, with what `connect` says and the password that was printed."""
        line = json.loads(self.does("connect", name, "--json"))["uri"]
        return psycopg.connect(line, password=self.passwords[name], autocommit=True)

    def psql(self, name: str, *arguments: str, given: str = "") -> str:
        """Run `myriad sql` as a person; return what psql prints, and its errors."""
        done = run_process(
            *("sql", name, "--home", str(self.home.folder), *arguments),
            environment={"PGPASSWORD": self.passwords[name], "PSQLRC": "/dev/null"},
            given=given,
        )
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def office(made: Path) -> Iterator[Office]:
    with reachable_folder() as path:
        subprocess.run(["cp", "-a", made, path / "home"], check=True)
        home = Home(path / "home")
        give_port(home)
        (path / "files").mkdir()
        office = Office(home, path / "files")
        office.does("up", "--detach")
        yield office
        myriad.open(home.folder).down()


def test_a_students_first_week(office: Office) -> None:
    path = office.file("Meine Orte.csv", "plz,ort,preis\n03012,Cottbus,-3.00\n10115,Berlin,12.5\n")
    said = office.does("publish", path, "--dataset", "lessons")
    assert re.search(r"plz +text ", said)
    assert re.search(r"preis +numeric ", said)
    assert "already up" in office.does("up", "--detach")
    office.joins("ada", "--group", "students")
    office.does("grant", "students", "lessons")
    assert "Cottbus" in office.psql("ada", "-c", "SELECT * FROM lessons.meine_orte")
    assert "main" in office.psql("ada", "-c", "\\l")
    assert "pip install" in office.does("connect", "ada", "--with", "pandas")
    with office.session("ada") as ada:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            ada.execute("CREATE TABLE lessons.mine (n int)")
        assert refused.value.diag.message_hint
        [answer] = ada.execute("SELECT preis::text FROM lessons.meine_orte WHERE plz = '03012'")
        assert answer == ("-3.00",)
    office.joins("prof", "--owner")
    with office.session("prof") as prof:
        prof.execute("CREATE DATABASE dq")
    office.psql("prof", "--database", "dq", "-c", "CREATE TABLE t (n int)")
    assert "did you mean person" not in office.does("version")
    assert "meine_orte" in office.does("list", "-q")
    empty = office.folder / "empty"
    empty.mkdir()
    assert run(Home(empty), "status").returncode == DOWN


def test_the_departments_files_are_published_as_they_are(office: Office) -> None:
    office.file(
        "umsatz.csv", "monat;umsatz;am\n1;3.735,30;31.12.2024 10:00\n2;12,50;1.1.2025 9:05\n"
    )
    office.file("us.csv", 'day,amount\n1/31/2024,"$1,234.50"\n2/1/2024,$7.00\n')
    office.file("kosten.csv", "id,kosten\n1,12.50\n2,n/a\nSumme,12.50\n")
    office.file("titel.csv", "Bericht der Abteilung\n\nid,name\n1,a\n2,b\n")
    office.file("laut.csv", "id;straße\n1;Mühlweg\n", "cp1252")
    book = openpyxl.Workbook()
    book.active.append(["code", "qty"])
    book.active.append(["a", 3])
    book.save(office.folder / "lager.xlsx")
    with zipfile.ZipFile(office.folder / "archiv.zip", "w") as archive:
        archive.writestr("bestand.csv", "id,n\n1,2\n")
    said = office.does(
        *("publish", "umsatz.csv", "us.csv", "kosten.csv", "titel.csv", "laut.csv"),
        *("lager.xlsx", "archiv.zip", "--dataset", "dept"),
    )
    for column, kind in (
        *(("umsatz", "numeric"), ("am", "timestamp"), ("day", "date"), ("amount", "numeric")),
        *(("kosten", "numeric"), ("name", "text"), ("qty", "bigint"), ("n", "bigint")),
    ):
        assert re.search(rf"^ +{column} +{kind} ", said, re.MULTILINE), (column, said)
    assert "Summe" in said
    office.joins("analyst", "--group", "controlling")
    office.does("grant", "controlling", "dept")
    with office.session("analyst") as analyst:
        [sums] = analyst.execute("SELECT sum(umsatz)::text, min(am)::text FROM dept.umsatz")
        assert sums == ("3747.80", "2024-12-31 10:00:00")
        [street] = analyst.execute('SELECT "straße" FROM dept.laut')
        assert street == ("Mühlweg",)


def test_a_data_engineers_nights(office: Office) -> None:
    stock = "id,qty,price\n1,300,400\n2,2,12.50\n"
    night = ("publish", "stock.csv", "--dataset", "night")
    office.file("stock.csv", stock)
    office.does(*night, "--key", "id")
    for text, allowed in (
        ("id,qty,price\n", "empty"),
        (stock.replace("id,", "number,"), "key"),
        (stock.replace("12.50", "twelve"), "types"),
        (stock.replace("400", "").replace("12.50", ""), "nulls"),
    ):
        office.file("stock.csv", text)
        said = office.does(*night, code=CHANGED_TOO_MUCH)
        assert allowed in said
        assert "stock" in said
    office.file("stock.csv", "<!DOCTYPE html><html><head><title>503</title></head></html>\n")
    assert "HTML page" in office.does(*night, code=REFUSED)
    office.file("stock.csv", stock.replace("400", "n/a") + "70000,1,1\n")
    assert "replaced, 3 rows" in office.does(*night)
    said = office.does("history", "night.stock")
    assert said.count("refused") == 4
    office.does("undo", "night.stock", "--yes")
    assert "2 rows" in office.does("show", "night.stock")
    office.file("more.csv", "qty,id,price\n9,7,1\n")
    append = ("publish", "more.csv", "--dataset", "night", "--table", "stock", "--append")
    assert "1 row" in office.does(*append)
    assert "added to stock before" in office.does(*append, code=CHANGED_TOO_MUCH)
    assert "3 rows" in office.does("show", "night.stock")
    office.file("more.csv", "qty,id,price\n10,7,1\n5,8,1\n")
    office.does(*append[:-1], "--merge")
    assert "4 rows" in office.does("show", "night.stock")
    office.file("people.csv", "id,salary\n1,9\n")
    office.does("publish", "people.csv", "--dataset", "night")
    assert office.does("unpublish", "night.people", "--yes", "--quiet") == ""
    assert office.does("list").count("people") == 0
    office.does("rename", "night.stock", "goods")
    office.does("describe", "night.goods", "what we have")


def test_who_holds_a_publish_up_is_named_and_can_be_ended(office: Office) -> None:
    office.file("held.csv", "id\n1\n")
    office.does("publish", "held.csv", "--dataset", "held")
    office.joins("tab", "--group", "holders")
    office.does("grant", "holders", "held")
    with office.session("tab") as tab, ThreadPoolExecutor() as pool:
        tab.execute("BEGIN")
        tab.execute("SELECT * FROM held.held")
        publish = pool.submit(office.does, "publish", "held.csv", "--dataset", "held")
        wait_until(lambda: office.does("people", "stop", "tab", "--disconnect"))
        publish.result(60)
        with pytest.raises(psycopg.OperationalError):
            tab.execute("SELECT 1")


def test_an_analysts_first_week(office: Office) -> None:
    office.file("sales.csv", "id,qty,price\n1,300,400\n2,200,300\n")
    office.does("publish", "sales.csv", "--dataset", "market", "--key", "id")
    office.joins("ana", "--group", "market")
    office.does("grant", "market", "market")
    with office.session("ana") as ana:
        [total] = ana.execute("SELECT sum(qty * price)::text FROM market.sales")
        assert total == ("180000",)
        [comment] = ana.execute("SELECT obj_description('market.sales'::regclass)")
        assert re.search(r"sales.csv.*2 rows", str(comment[0]))
        with ana.cursor().copy("COPY market.sales TO STDOUT") as rows:
            assert len(b"".join(rows).splitlines()) == 2
        assert ana.execute("SELECT count(*) FROM pg_stat_activity").fetchone()
        assert ana.execute("SELECT count(*) FROM sales").fetchone() == (2,)
    assert "sales" in office.psql("ana", "-c", "\\d")


def test_a_group_has_a_place_of_its_own(office: Office) -> None:
    office.joins("maker", "reader", "--group", "lab")
    office.does("grant", "lab", "lab", "--create", "--megabytes", "100")
    with office.session("maker") as maker:
        maker.execute("CREATE TABLE lab.mine AS SELECT 1 AS n")
        maker.execute("CREATE VIEW lab.shown AS SELECT n + 1 AS n FROM lab.mine")
        maker.execute("CREATE TEMP TABLE notes (n int)")
    with office.session("reader") as reader:
        assert reader.execute("SELECT n FROM lab.mine").fetchone() == (1,)
        assert reader.execute("SELECT n FROM lab.shown").fetchone() == (2,)
    office.does("publish", office.file("other.csv", "n\n1\n"), "--dataset", "other")
    office.joins("stranger", "--group", "others")
    office.does("grant", "others", "other")
    with office.session("stranger") as stranger, pytest.raises(psycopg.Error, match="denied"):
        stranger.execute("SELECT n FROM lab.mine")


def test_people_come_leave_and_see_what_they_were_given(office: Office) -> None:
    office.file("people.csv", "id,name,team,salary\n1,a,x,9\n2,b,y,8\n")
    office.does("publish", "people.csv", "--dataset", "hr", "--key", "id")
    office.does("publish", "people.csv", "--dataset", "hr", "--table", "closed")
    staff = "name,groups,email\n" + "".join(f"staff{n},hr;all,s{n}@x\n" for n in range(20))
    office.file("staff.csv", staff)
    sync = ("person", "sync", "--from", "staff.csv")
    assert "email" in office.does(*sync, "--dry-run")
    synced: dict[str, list[dict[str, str]]] = json.loads(office.does(*sync, "--json", "--quiet"))
    for person in synced["passwords"]:
        office.passwords[person["name"]] = person["password"]
    office.does("grant", "hr,all", "hr.people", "--columns", "name,team")
    with office.session("staff1") as staff1:
        assert staff1.execute("SELECT name, team FROM hr.people").fetchall()
        for text in ("SELECT salary FROM hr.people", "SELECT * FROM hr.closed"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                staff1.execute(text)
        office.does("publish", "people.csv", "--dataset", "hr")
        assert staff1.execute("SELECT count(name) FROM hr.people").fetchone() == (2,)
    assert "staff1" in office.does("who", "hr.people")
    assert "staff1" not in office.does("who", "hr.closed")
    office.file(
        "staff.csv", staff.replace("staff0,hr;all", "staff0,all").replace("staff7,", "new,")
    )
    office.does(*sync)
    assert "hr" not in office.does("person", "show", "staff0").split("groups")[1].splitlines()[0]
    with pytest.raises(psycopg.OperationalError):
        office.session("staff7")
    office.does("person", "disable", "staff2")
    with pytest.raises(psycopg.OperationalError):
        office.session("staff2")
    office.does("person", "enable", "staff2")
    office.session("staff2").close()
    office.file("staff.csv", "name,groups\nstaff1,hr\n")
    assert "--max-losses" in office.does(*sync, code=CHANGED_TOO_MUCH)


def test_people_change_their_own_password(office: Office) -> None:
    office.does("publish", office.file("own.csv", "n\n1\n"), "--dataset", "own")
    office.joins("self", "--group", "own")
    office.does("grant", "own", "own")
    with office.session("self") as connection:
        connection.pgconn.change_password(b"self", b"correct horse battery")
    with pytest.raises(psycopg.OperationalError):
        office.session("self")
    office.passwords["self"] = "correct horse battery"
    assert "self" in office.psql("self", "-c", "SELECT session_user")
