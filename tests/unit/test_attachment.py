"""What a home remembers of the PostgreSQL that it is attached to."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from myriad.engines.postgres import attachment
from myriad.errors import HomeError, StartFailed
from myriad.home.home import Home

DSN = "postgresql://boss:hidden@db.example.org/"


def test_what_is_given_counts_then_what_is_remembered(home: Home) -> None:
    home.create()
    assert attachment.chosen(home, None) is None
    given = attachment.chosen(home, DSN)
    attachment.remember(home, given)
    assert attachment.chosen(home, None) == given
    assert attachment.chosen(home, "host=elsewhere") == "host=elsewhere"
    assert attachment.chosen(home, attachment.OWN) is None
    attachment.remember(home, None)
    assert attachment.chosen(home, None) is None


def test_a_dsn_is_completed_by_libpqs_variables_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGPORT", "7777")
    monkeypatch.setenv("PGUSER", "somebody")
    monkeypatch.setenv("PGPASSWORD", "of the environment")
    monkeypatch.setenv("PGDATABASE", "other")
    found = conninfo_to_dict(attachment.complete(f"{DSN}?sslrootcert=ca.crt"))
    assert found == {
        "host": "db.example.org",
        "port": "7777",
        "user": "boss",
        "password": "hidden",
        "sslrootcert": str(tmp_path / "ca.crt"),
    }
    assert "port" not in conninfo_to_dict(attachment.complete("service=theirs"))


def test_a_place_has_no_secrets() -> None:
    assert attachment.place(DSN) == "db.example.org port 5432 as boss"
    assert attachment.place("service=theirs password=hidden") == "service theirs"
    assert attachment.place("password=hidden") == "this machine port 5432"


def test_what_cannot_be_read_is_not_taken_for_nothing(home: Home) -> None:
    home.create()
    (home.secrets / "postgres_at").write_bytes(b"\xff\xfe")
    with pytest.raises(HomeError, match="which says what this home is attached to"):
        attachment.chosen(home, None)
    with pytest.raises(StartFailed, match="cannot be read"):
        attachment.chosen(home, "postgresql://somebody:hid den@[127.0.0.1/")


def test_a_home_that_served_people_does_not_begin_with_nothing(home: Home) -> None:
    home.create()
    (home.logs / "door.log").touch()
    with pytest.raises(HomeError, match="is not there") as caught:
        attachment.chosen(home, None)
    assert "--postgres-at own" in caught.value.hint
    assert attachment.chosen(home, attachment.OWN) is None
    home.postgres.mkdir()
    assert attachment.chosen(home, None) is None
