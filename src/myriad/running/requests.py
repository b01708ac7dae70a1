"""What commands ask of the `up` that runs: each in a file in the home, answered in another."""

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myriad import errors
from myriad.errors import MyriadError, NotRunning, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.machine import process

LONGEST = 3600.0  # seconds: programs are fetched over slow lines, too
_QUESTIONS, _ANSWERS = "asked-*.json", "answered-*.json"


@dataclass(frozen=True)
class Asked:
    """That Cassandra be started with these settings, beside those of `up`."""

    number: str
    settings: dict[str, Any]


def ask(home: Home, settings: dict[str, Any]) -> Asked:
    """Write down what is asked for."""
    asked = Asked(secrets.token_hex(8), settings)
    write_private(_question(home, asked.number), json.dumps(settings))
    return asked


def take(home: Home) -> Asked | None:
    """Return what is asked for, once; None if nothing is."""
    for path in sorted(home.folder.glob(_QUESTIONS)):
        try:
            found = json.loads(path.read_text("utf-8"))
            return Asked(path.stem.rpartition("-")[2], dict(found))
        except (OSError, ValueError, TypeError):
            continue
        finally:
            path.unlink(missing_ok=True)
    return None


def answer(home: Home, asked: Asked, error: BaseException | None = None) -> None:
    """Tell whoever asked that it was done, or with what it failed."""
    said: dict[str, str] = {}
    if error is not None:
        known = isinstance(error, MyriadError)
        said["type"] = type(error).__name__ if known else StartFailed.__name__
        said["error"] = str(error)
        said["hint"] = error.hint if isinstance(error, MyriadError) else "See `myriad logs`."
    write_private(_answer(home, asked.number), json.dumps(said))


def answered(home: Home, asked: Asked) -> bool:
    """Say whether it was done; raises what it failed with."""
    path = _answer(home, asked.number)
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    path.unlink(missing_ok=True)
    if "error" in said:
        kind = getattr(errors, said.get("type", ""), StartFailed)
        raise kind(said["error"], hint=said.get("hint", ""))
    return True


def forget(home: Home) -> None:
    """Drop what was asked of an `up` before this one, and what nobody has waited for."""
    for files in (_QUESTIONS, _ANSWERS):
        for path in home.folder.glob(files):
            path.unlink(missing_ok=True)


def check_waiting(home: Home, pid: int, began: float) -> None:
    """Raise NotRunning, StartFailed where nobody will answer; `began` is time.monotonic()'s."""
    if home.holder() != pid:
        raise NotRunning(
            "what was up has ended meanwhile", hint=f"Start it: `myriad up --detach{home.option}`."
        )
    if time.monotonic() - began > LONGEST:
        raise StartFailed(
            f"no answer within {LONGEST:g} seconds",
            hint="`myriad status` and `myriad logs` show it.",
        )
    time.sleep(process.POLL)


def _question(home: Home, number: str) -> Path:
    return home.folder / _QUESTIONS.replace("*", number)


def _answer(home: Home, number: str) -> Path:
    return home.folder / _ANSWERS.replace("*", number)
