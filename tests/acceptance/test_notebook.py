"""A student's first notebook works unmodified: psycopg2, a name, and nothing of Myriad."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2
import pytest

from myriad import Myriad


@dataclass
class Student:
    user: str
    password: str


@pytest.fixture
def student(installation: Myriad, monkeypatch: pytest.MonkeyPatch) -> Iterator[Student]:
    """Somebody who may make databases; host, port and password come from the environment."""
    name = f"student {uuid.uuid4().hex[:8]}"
    [(_, password)] = installation.people.add_people([name], owner=True)
    server = installation.server()
    monkeypatch.setenv("PGHOST", server.host)
    monkeypatch.setenv("PGPORT", str(server.port))
    monkeypatch.setenv("PGPASSWORD", password)
    yield Student(name, password)
    installation.people.remove([name])


@pytest.mark.parametrize("first", ["main", "postgres"])
def test_the_first_notebook(student: Student, first: str) -> None:  # noqa: PLR0915 - a notebook is one long story
    conn = psycopg2.connect(f"dbname={first} user='{student.user}'")
    cur = conn.cursor()
    conn.set_session(autocommit=True)
    cur.execute("CREATE DATABASE myfirstdb")
    with pytest.raises(psycopg2.errors.DuplicateDatabase):
        cur.execute("CREATE DATABASE myfirstdb")
    conn.close()

    conn = psycopg2.connect(dbname="myfirstdb", user=student.user)
    cur = conn.cursor()
    conn.set_session(autocommit=True)
    for _ in range(2):
        cur.execute(
            "CREATE TABLE IF NOT EXISTS music_library"
            " (album_name varchar, artist_name varchar, year int)"
        )
    cur.execute("SELECT count(*) FROM music_library")
    assert cur.fetchall() == [(0,)]
    insert = "INSERT INTO music_library (album_name, artist_name, year) VALUES (%s, %s, %s)"
    cur.execute(insert, ("Let It Be", "The Beatles", 1970))
    cur.execute(insert, ("Rubber Soul", "The Beatles", 1965))

    cur.execute("SELECT * FROM music_library")
    rows = []
    row = cur.fetchone()
    while row:
        rows.append(row)
        row = cur.fetchone()
    assert rows == [("Let It Be", "The Beatles", 1970), ("Rubber Soul", "The Beatles", 1965)]
    cur.execute("SELECT * FROM music_library")
    assert cur.fetchall() == rows
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cur.execute("SELECT * FROM music_libary")

    cur.execute("DROP TABLE music_library")
    cur.close()
    conn.close()
    with pytest.raises(psycopg2.InterfaceError):
        conn.cursor()

    conn = psycopg2.connect(dbname=first, user=student.user)
    conn.set_session(autocommit=True)
    conn.cursor().execute("DROP DATABASE myfirstdb")
    conn.close()


def test_a_wrong_password_gives_the_usual_exception(student: Student) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed for user"):
        psycopg2.connect(dbname="main", user=student.user, password="wrong")


def test_a_missing_database_gives_the_usual_exception(student: Student) -> None:
    with pytest.raises(psycopg2.OperationalError, match='database "nowhere" does not exist'):
        psycopg2.connect(dbname="nowhere", user=student.user)
