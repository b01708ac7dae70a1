from pathlib import Path

import pytest

from myriad import settings
from myriad.errors import SettingsError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in settings.TABLE:
        monkeypatch.delenv(f"MYRIAD_{entry.name.upper()}", raising=False)


def write(folder: Path, text: str) -> Path:
    path = folder / settings.FILE
    path.write_text(text, "utf-8")
    return path


def test_without_anything_said_every_setting_has_its_default(tmp_path: Path) -> None:
    loaded = settings.load(tmp_path)
    assert loaded == settings.Settings()
    assert not loaded.origins


def test_a_flag_beats_the_environment_which_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, 'port = 1001\ndatabase = "sales"\n\nmax_connections = 50\n')
    monkeypatch.setenv("MYRIAD_PORT", "1002")
    monkeypatch.setenv("MYRIAD_DATABASE", "people")
    loaded = settings.load(tmp_path, {"port": 1003, "host": None})
    assert (loaded.port, loaded.database, loaded.max_connections) == (1003, "people", 50)
    assert loaded.origins["port"] == "flag"
    assert loaded.origins["database"] == "environment variable MYRIAD_DATABASE"
    assert loaded.origins["max_connections"] == f"{path}:4"
    assert "host" not in loaded.origins


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("\n\nprot = 1\n", 3, "no setting 'prot'"),
        ("[postgres]\nport = 1\n", 1, "no setting 'postgres'"),
        ("# port = 5\nport = 'abc'\n", 2, "not a whole number"),
        ("port = 1.5\n", 1, "not a whole number"),
        ("port = 0\n", 1, "not a whole number from 1 to 65535"),
        ("port = 70000\n", 1, "from 1 to 65535"),
        ("port = true\n", 1, "not a whole number"),
        ("start_timeout = inf\n", 1, "not a number from 1 to"),
        ("start_timeout = nan\n", 1, "not a number from 1 to"),
        ("database = 5\n", 1, "not text"),
        ("tls = true\n", 1, "not one of off, allow, require"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path)
    assert f"{path}:{line}: " in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["port = \n", "port 5\n", "port = 1\nport = 2\n"])
def test_what_is_no_toml_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match="line ") as caught:
        settings.load(tmp_path)
    assert str(path) in caught.value.message


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / settings.FILE).write_bytes(b"port = \xff\xfe")
    with pytest.raises(SettingsError, match="utf-8"):
        settings.load(tmp_path)


def test_a_bad_environment_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYRIAD_PORT", "many")
    with pytest.raises(SettingsError, match="environment variable MYRIAD_PORT: port = 'many'"):
        settings.load(tmp_path)


@pytest.mark.parametrize("name", ["tls", "audit"])
def test_a_setting_with_choices_takes_no_other(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"--{name} 'maybe' is not one of") as caught:
        settings.load(tmp_path, {name: "maybe"})
    assert "off" in caught.value.message
    assert caught.value.hint.startswith(f"{name}: ")
    assert getattr(settings.load(tmp_path, {name: "off"}), name) == "off"


def test_what_was_said_on_the_command_line_is_named_as_it_was_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path, {"port": 70_000})
    assert caught.value.message == "--port 70000 is not a whole number from 1 to 65535"


def test_a_setting_that_there_is_not_is_told_what_is_near(tmp_path: Path) -> None:
    write(tmp_path, "prot = 5\n")
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path)
    assert caught.value.hint == "Is port meant?"
    write(tmp_path, "xyzzy = 5\n")
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path)
    assert caught.value.hint.startswith("Known: ")
