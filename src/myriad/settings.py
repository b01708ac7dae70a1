"""One table of settings: flag > environment `MYRIAD_*` > `myriad.toml` in the home > default.

The dataclass below *is* the table: add a field with its help and everything else follows
(`myriad settings`, the environment variable, the file, the documentation).
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from myriad.errors import SettingsError

FILE = "myriad.toml"


_MOST = 10**9  # of any number: enough for every count, size in MB and time in seconds here
_NAMES = {int: "a whole number", float: "a number", str: "text"}


def _setting(default: Any, help_text: str, *, low: float = 0, high: float = _MOST) -> Any:  # noqa: ANN401 - a field's default has the field's type
    return field(default=default, metadata={"help": help_text, "low": low, "high": high})


@dataclass(frozen=True)
class Settings:
    """Every setting of one home, with where each value came from in `origins`."""

    host: str = _setting(
        "127.0.0.1", "address that people connect to: a loopback address, there is no TLS yet"
    )
    port: int = _setting(
        6432,
        "port that people connect to; if it is taken and was not set, the next free one",
        low=1,
        high=65535,
    )
    database: str = _setting("main", "database that `publish` and `grant` use unless told")
    dataset: str = _setting("public", "dataset (schema) that `publish` uses unless told")
    max_connections: int = _setting(
        200, "connections that PostgreSQL accepts at once", low=10, high=10**5
    )
    shared_buffers_mb: int = _setting(
        0, "memory for PostgreSQL's page cache in MB; 0: a quarter of the machine's", low=0
    )
    start_timeout: float = _setting(30.0, "seconds an engine may take to become ready", low=1)
    stop_timeout: float = _setting(30.0, "seconds an engine may take to stop", low=1)
    swap_timeout: float = _setting(
        300.0, "seconds that `publish` waits for readers of the old table before it gives up", low=1
    )
    load_memory_mb: int = _setting(
        150, "memory in MB for reading and converting a source; files of any size fit", low=64
    )
    programs: str = _setting(
        "", "folder with PostgreSQL's programs; empty: the packaged ones, then the machine's"
    )
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)


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
        *(("flag", {name: value}) for name, value in (flags or {}).items() if value is not None),
    ):
        for name, value in found.items():
            values[name] = _convert(name, value, origin)
            origins[name] = origin
    if "host" in values:
        _check_host(values["host"], origins["host"])
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
        known = ", ".join(entry.name for entry in TABLE)
        raise SettingsError(f"{origin}: there is no setting {name!r}", hint=f"Known: {known}.")
    wanted = type(entry.default)
    low, high = entry.metadata["low"], entry.metadata["high"]
    try:
        converted = _as(wanted, value)
        if wanted is not str and not low <= converted <= high:
            raise ValueError  # noqa: TRY301 - one place says what is wrong
    except (TypeError, ValueError):
        limit = "" if wanted is str else f" from {low:g} to {high:g}"
        raise SettingsError(
            f"{origin}: {name} = {value!r} is not {_NAMES[wanted]}{limit}",
            hint=f"{name}: {entry.metadata['help']}.",
        ) from None
    return converted


def _as(wanted: type, value: Any) -> Any:  # noqa: ANN401
    """Return `value` as `wanted`; a flag is no number, and nothing is rounded."""
    if isinstance(value, bool) or (wanted is int and isinstance(value, float)):
        raise TypeError
    if not isinstance(value, (str, int, float)) or (wanted is str and not isinstance(value, str)):
        raise TypeError
    return wanted(value)


def _check_host(host: str, origin: str) -> None:
    """Refuse addresses that other machines reach: there is no TLS yet, and queries are private."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(
            f"{origin}: host = {host!r} is no loopback address",
            hint="Give 127.0.0.1, ::1 or localhost; let people of other machines in by a tunnel.",
        )
