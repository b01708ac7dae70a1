"""One table of settings: flag > environment `MYRIAD_*` > `myriad.toml` in the home > default.

The dataclasses below *are* the table: add a field with its help and everything else follows
(`myriad settings`, the environment variable, the file, the documentation).
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from myriad.errors import SettingsError
from myriad.wording import meant

FILE = "myriad.toml"


_MOST = 10**9  # of any number: enough for every count, size in MB and time in seconds here
_NAMES = {int: "a whole number", float: "a number", str: "text"}
OWN_CONNECTIONS = 20  # of PostgreSQL's, that the door leaves to Myriad's commands and to itself


def _setting(
    default: Any,  # noqa: ANN401 - a field's default has the field's type
    help_text: str,
    *,
    low: float = 0,
    high: float = _MOST,
    choices: tuple[str | int, ...] = (),
    words: Mapping[str, int] = MappingProxyType({}),
) -> Any:  # noqa: ANN401
    """`words` may be said for some values."""
    table = {"help": help_text, "low": low, "high": high, "choices": choices, "words": words}
    return field(default=default, metadata=table)


@dataclass(frozen=True)
class _DoorSettings:
    """How people come in, and how much they may use."""

    host: str = _setting(
        "127.0.0.1",
        "address that people connect to; one that other machines reach only with `tls` = require",
    )
    port: int = _setting(
        6432,
        "port that people connect to; if it was not set, the one of the last start, at the first"
        " start the next free one",
        low=1,
        high=65535,
    )
    tls: str = _setting(
        "allow",
        "whether connections are encrypted: off, allow (as the client likes) or require",
        choices=("off", "allow", "require"),
    )
    tls_certificate: str = _setting(
        "", "file with the certificate (PEM); empty: a self-signed one, made at the first start"
    )
    tls_key: str = _setting("", "file with the certificate's private key (PEM)")
    login_timeout: float = _setting(15.0, "seconds that a person may take to log in", low=1)
    max_clients: int = _setting(
        15_000, "connections of people that the door holds at once", low=1, high=10**6
    )
    pool_size: int = _setting(
        0, "connections to PostgreSQL of people with the same rights; 0: from the cores"
    )
    server_connections: int = _setting(
        0,
        "connections to PostgreSQL of all people; 0: from the cores; at most"
        f" {OWN_CONNECTIONS} less than max_connections",
    )
    door_processes: int = _setting(
        1,
        "processes of the door, which share all limits; auto: from the cores",
        high=32,
        words={"auto": 0},
    )
    drain_timeout: float = _setting(
        10.0, "seconds that running transactions get to end when the door stops"
    )
    audit: str = _setting(
        "on", "whether the door writes down who ran what: on or off", choices=("on", "off")
    )
    audit_rows: int = _setting(1_000_000, "statements that the audit keeps", low=1000)
    limit_statement_seconds: float = _setting(600.0, "seconds that a statement may take; 0: any")
    limit_rows: int = _setting(0, "rows that a transaction may return; 0: any")
    limit_megabytes: float = _setting(0.0, "MB that a transaction may return; 0: any")
    limit_concurrent: int = _setting(8, "statements of one person at once; 0: any")
    limit_idle_seconds: float = _setting(
        300.0, "seconds that a session may do nothing in a transaction; 0: any"
    )
    limit_queue_seconds: float = _setting(
        60.0, "seconds that a statement may wait for its turn; 0: any"
    )
    limit_connections: int = _setting(1000, "connections of one person at once; 0: any")


@dataclass(frozen=True)
class _EngineSettings:
    """What the databases run with."""

    max_connections: int = _setting(
        200, "connections that PostgreSQL accepts at once", low=30, high=10**5
    )
    shared_buffers_mb: int = _setting(
        0, "memory for PostgreSQL's page cache in MB; 0: a quarter of the machine's", low=0
    )
    cassandra: int = _setting(
        0, "Cassandra nodes of our own: 1 or 3; 0: those that the home has", choices=(0, 1, 3)
    )
    cassandra_at: str = _setting(
        "", "contact points of a Cassandra that runs elsewhere: HOST[:PORT],..."
    )
    cassandra_user: str = _setting("", "name of a superuser of that Cassandra")
    cassandra_password_file: str = _setting("", "file with that superuser's password")
    cassandra_ca: str = _setting(
        "", "file with the certificates (PEM) that vouch for that Cassandra; empty: no encryption"
    )
    cassandra_login: str = _setting(
        "required",
        "who may connect to our nodes: `required`: people with their passwords; `open`: anybody on"
        " this machine, as in a classroom",
        choices=("required", "open"),
    )
    cassandra_address: str = _setting(
        "127.0.0.1", "address of our first node, a loopback one; others get the following ones"
    )
    cassandra_port: int = _setting(
        9042,
        "port of our nodes; if it is taken and was not set, the next free one",
        low=1,
        high=65535,
    )
    cassandra_heap_mb: int = _setting(
        0, "memory for the objects of each of our nodes in MB; 0: from the machine's", low=0
    )
    cassandra_commitlog_sync: str = _setting(
        "batch",
        "when our nodes answer a write: `batch`, `group`: when it is on the disk; `periodic`: at"
        " once, and a crash may cost the last moment",
        choices=("batch", "group", "periodic"),
    )
    cassandra_start_timeout: float = _setting(
        120.0, "seconds that our nodes may take to become ready", low=1
    )
    java: str = _setting(
        "", "folder of a Java 17 for Cassandra; empty: the machine's, then the packaged one"
    )
    cache: str = _setting("", "folder for programs that are fetched; empty: the user's cache")
    programs: str = _setting(
        "", "folder with PostgreSQL's programs; empty: the packaged ones, then the machine's"
    )
    start_timeout: float = _setting(30.0, "seconds an engine may take to become ready", low=1)
    stop_timeout: float = _setting(30.0, "seconds an engine may take to stop", low=1)


@dataclass(frozen=True)
class _PublishSettings:
    """How data comes, and what is kept of it."""

    database: str = _setting("main", "database that `publish` and `grant` use unless told")
    dataset: str = _setting("public", "dataset (schema) that `publish` uses unless told")
    swap_timeout: float = _setting(
        300.0,
        "seconds that `publish`, `undo` and others wait for readers of a table",
        low=1,
    )
    publish_wait: float = _setting(
        600.0, "seconds that `publish --wait` waits for a publish of the same table"
    )
    versions: int = _setting(
        2, "older versions of each table that `publish` keeps for `undo`; 0: none", high=1000
    )
    versions_megabytes: int = _setting(
        0, "MB that the older versions in one database may take together; 0: any"
    )
    versions_disk_percent: float = _setting(
        20.0,
        "percent of the disk that the older versions in one database may take together; 0: any;"
        " where PostgreSQL is ours",
        high=100,
    )
    unpublished_days: float = _setting(
        30.0, "days that `undo` can bring back a table after `unpublish`"
    )
    history_runs: int = _setting(
        1000,
        "runs that `history` keeps of the same tables; of a dataset, fifty times as many",
        low=1,
    )
    shrink: float = _setting(
        0.5,
        "share of its rows that a table of 100 rows or more must keep when it is published again"
        " under contract `safe`",
        high=1,
    )
    load_memory_mb: int = _setting(
        400,
        "memory in MB that a publish may take, all its processes together; files of any size fit",
        low=256,
    )


@dataclass(frozen=True)
class Settings(_PublishSettings, _EngineSettings, _DoorSettings):
    """Every setting of one home, with where each value came from in `origins`."""

    origins: Mapping[str, str] = field(default_factory=dict, repr=False)


FLAG = "flag"  # origin of what was said on the command line
TABLE = tuple(entry for entry in fields(Settings) if entry.name != "origins")


def load(folder: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of the home in `folder`.

    `flags` are values given on the command line; None among them means "not given".
    Raises SettingsError that names the file and line, or the variable, of the first mistake.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, found in (
        *_from_file(folder / FILE),
        *_from_environment(os.environ),
        *((FLAG, {name: value}) for name, value in (flags or {}).items() if value is not None),
    ):
        for name, value in found.items():
            values[name] = _convert(name, value, origin)
            origins[name] = origin
    return Settings(**values, origins=origins)


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    names = {f"MYRIAD_{entry.name.upper()}": entry.name for entry in TABLE}
    return [
        (f"environment variable {variable}", {names[variable]: environment[variable]})
        for variable in names
        if variable in environment
    ]


def _from_file(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text("utf-8")
        parsed = tomllib.loads(text)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}", hint="It must be TOML: name = value.") from error
    return [(f"{path}:{_line_of(text, name)}", {name: value}) for name, value in parsed.items()]


def _line_of(text: str, name: str) -> int:
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    matches = (number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line))
    return next(matches, 1)


def _convert(name: str, value: Any, origin: str) -> Any:  # noqa: ANN401 - this is where types are made
    entry = next((entry for entry in TABLE if entry.name == name), None)
    if entry is None:
        known = [entry.name for entry in TABLE]
        hint = meant(name, known, f"Known: {', '.join(known)}.")
        raise SettingsError(f"{origin}: there is no setting {name!r}", hint=hint)
    try:
        return _within(entry, _as(type(entry.default), entry.metadata["words"].get(value, value)))
    except (TypeError, ValueError):
        option = f"--{name.replace('_', '-')}"
        said = option if origin == FLAG else f"{origin}: {name} ="
        raise SettingsError(
            f"{said} {value!r} is not {_wanted(entry)}",
            hint=f"{name}: {entry.metadata['help']}.",
        ) from None


def _within(entry: Field[Any], value: Any) -> Any:  # noqa: ANN401
    """Return `value`; raises ValueError if it lies outside the setting's bounds or choices."""
    choices = entry.metadata["choices"]
    if choices:
        good = value in choices
    else:
        low, high = entry.metadata["low"], entry.metadata["high"]
        good = isinstance(value, str) or low <= value <= high
    if not good:
        raise ValueError
    return value


def _wanted(entry: Field[Any]) -> str:
    kind, choices = type(entry.default), entry.metadata["choices"]
    if choices:
        return f"one of {', '.join(map(str, choices))}"
    if kind is str:
        return _NAMES[kind]
    words = "".join(f"{word} or " for word in entry.metadata["words"])
    return f"{words}{_NAMES[kind]} from {entry.metadata['low']:g} to {entry.metadata['high']:g}"


def _as(wanted: type, value: Any) -> Any:  # noqa: ANN401
    """Return `value` as `wanted`; a flag is no number, and nothing is rounded."""
    if isinstance(value, bool) or (wanted is int and isinstance(value, float)):
        raise TypeError
    if not isinstance(value, (str, int, float)) or (wanted is str and not isinstance(value, str)):
        raise TypeError
    return wanted(value)
