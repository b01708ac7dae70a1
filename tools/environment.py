"""Make `.venv` what `requirements.lock` says; quick when it already is.

Runs under any Python ≥ 3.11 with nothing installed. One set-up runs at a time, and only one that
came to its end leaves `myriad-ready` behind: anything else is not trusted and made anew.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
LOCK = ROOT / "requirements.lock"
READY = VENV / "myriad-ready"

Command = list[str]


class SetupError(Exception):
    """Set-up cannot go on; says what was tried and what to do."""


def fingerprint() -> str:
    """Return what `.venv` depends on: where it stands (its scripts say so), and the two files."""
    files = (ROOT / "pyproject.toml").read_bytes() + LOCK.read_bytes()
    return f"{VENV}\n{hashlib.sha256(files).hexdigest()}"


def left_by_last() -> str:
    """Return the fingerprint that the last finished set-up left, empty if there is none."""
    try:
        return READY.read_text("utf-8")
    except OSError:
        return ""


def attempt(command: Command) -> str | None:
    """Run a command; return None if it worked, else what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    lines = (done.stderr + done.stdout).strip().splitlines()
    return None if done.returncode == 0 else "\n    ".join(lines[-3:])


def first_that_works(task: str, ways: Sequence[Command], hint: str) -> None:
    """Try commands in turn until one works; raises SetupError that shows all of them."""
    failures = []
    for way in ways:
        problem = attempt(way)
        if problem is None:
            return
        failures.append(f"  {' '.join(way)}\n    {problem}")
    raise SetupError(f"cannot {task}; tried:\n" + "\n".join(failures) + f"\nhint: {hint}")


def make_venv(python: str) -> None:
    """Make an empty virtual environment, by whatever can make one here."""
    shutil.rmtree(VENV, ignore_errors=True)
    first_that_works(
        "make a virtual environment",
        [
            [python, "-m", "venv", "--clear", str(VENV)],
            ["uv", "venv", "--clear", "--python", python, str(VENV)],
            [python, "-m", "virtualenv", "--clear", str(VENV)],
            [python, "-m", "venv", "--clear", "--without-pip", str(VENV)],
        ],
        "Debian, Ubuntu: apt install python3-venv. Elsewhere: install uv, or name another Python: "
        "make PYTHON=/path/to/python3",
    )


def install_uv(python: str) -> None:
    """Put the locked uv into `.venv`, with a pip or uv from wherever there is one."""
    entry = re.search(r"^uv==(?:.*\\\n)*.*\n", LOCK.read_text("utf-8"), re.MULTILINE)
    if entry is None:
        raise SetupError("requirements.lock has no uv\nhint: restore it from the repository")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "uv.txt")
        wanted.write_text(entry[0], "utf-8")
        install = ["install", "--require-hashes", "-r", str(wanted)]
        first_that_works(
            "install uv",
            [
                [PYTHON, "-m", "pip", *install],
                ["uv", "pip", *install, "--python", PYTHON],
                [python, "-m", "pip", "--python", PYTHON, *install],
                ["pip3", "--python", PYTHON, *install],
            ],
            "is the package index reachable? Debian, Ubuntu: apt install python3-venv brings pip.",
        )


def use_pips_index() -> None:
    """Let uv use the index that this machine's pip was told to use, unless it was told itself."""
    command = [PYTHON, "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if index := os.environ.get("PIP_INDEX_URL", told):
        os.environ.setdefault("UV_DEFAULT_INDEX", index)
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")  # as pip: whom the machine trusts


def install_all() -> None:
    """Make `.venv` hold what the lock lists and the project itself, and nothing else."""
    uv, where = [PYTHON, "-m", "uv", "pip"], ["--quiet", "--python", PYTHON]
    # Compiled now: the first command a person types starts seconds sooner.
    sync = [*uv, "sync", *where, "--compile-bytecode", "--require-hashes", str(LOCK)]
    subprocess.run(sync, check=True)
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    subprocess.run([*uv, "install", *where, *project], check=True)


def set_up(python: str) -> None:
    """Make or mend `.venv`; `myriad-ready` is gone for as long as it cannot be trusted."""
    print("Setting up .venv (once; about half a minute) …", file=sys.stderr, flush=True)
    whole = left_by_last().startswith(f"{VENV}\n") and not attempt([PYTHON, "-m", "uv", "-V"])
    READY.unlink(missing_ok=True)
    if not whole:
        make_venv(python)
        install_uv(python)
    use_pips_index()
    install_all()
    READY.write_text(fingerprint(), "utf-8")


def main() -> None:
    """Run as a program; the argument is the Python that `.venv` is made from."""
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a set-up under way is waited for
        if left_by_last() == fingerprint() and not attempt([PYTHON, "-V"]):
            return
        try:
            set_up(sys.argv[1])
        except SetupError as error:
            sys.exit(f"error: {error}")
        except subprocess.CalledProcessError as error:
            sys.exit(f"error: set-up failed: {error}\nhint: is the package index reachable?")
        except KeyboardInterrupt:
            sys.exit("interrupted: the next run starts over")


if __name__ == "__main__":
    main()
