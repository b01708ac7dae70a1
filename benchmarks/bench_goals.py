"""How long people wait: for a served database, for a start, for ten thousand accounts.

Run by `make bench`. There is no peer to race: each line has a goal of its own, and the median of
several rounds stands beside it.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import myriad
from benchmarks import measure
from myriad.home.home import Home

Seconds = TypeVar("Seconds", float, tuple[float, float])

ROUNDS = 3
PEOPLE = 10_000
RESULT = Path(__file__).resolve().parent / "results" / "goals.md"


def main() -> None:
    """Measure, print, and write the result down."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another user
        synced = list(zip(*_rounds(_sync, Path(folder)), strict=True))
        rows = [
            ("a first CSV served on a new home", 10.0, _rounds(_first_publish, Path(folder))),
            ("`up --detach` on an existing home", 3.0, _rounds(_start, Path(folder))),
            ("10,000 people added", 20.0, _rounds(_people, Path(folder))),
            ("10,000 people synced first", 20.0, synced[0]),
            ("1,000 changes among 10,000 people synced", 3.0, synced[1]),
        ]
    lines = ["# How long people wait", "", *(f"- {line}" for line in measure.machine()), ""]
    lines += ["| | goal s | median s | fastest s |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {goal:.0f} | {statistics.median(times):.1f} | {min(times):.1f} |"
        for name, goal, times in rows
    ]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


def _rounds(one: Callable[[Path], Seconds], folder: Path) -> list[Seconds]:
    return [one(Path(tempfile.mkdtemp(dir=folder))) for _ in range(ROUNDS)]


def _command(home: Path, *arguments: str) -> float:
    return measure.run([sys.executable, "-m", "myriad", *arguments, "--home", str(home)]).seconds


def _first_publish(folder: Path) -> float:
    file = folder / "members.csv"
    file.write_text("id,name\n" + "".join(f"{n},person {n}\n" for n in range(10_000)))
    folder.chmod(0o755)
    try:
        return _command(folder / "home", "publish", str(file))
    finally:
        myriad.open(folder / "home").down()


def _start(folder: Path) -> float:
    folder.chmod(0o755)
    home = folder / "home"
    for _ in range(2):  # the first makes the cluster
        seconds = _command(home, "up", "--detach")
        myriad.open(home).down()
    return seconds


def _people(folder: Path) -> float:
    folder.chmod(0o755)
    home = folder / "home"
    names = folder / "names.txt"
    names.write_text("".join(f"person {number}\n" for number in range(PEOPLE)))
    installation = myriad.open(Home(home))
    installation.up_detached()
    try:
        command = ("person", "add", "--from", str(names), "--group", "staff", "--quiet")
        return _command(home, *command)
    finally:
        installation.down()


def _sync(folder: Path) -> tuple[float, float]:
    """Sync a list, and one in which 300 have left, 300 have joined and 400 are in other groups."""
    folder.chmod(0o755)
    home, file = folder / "home", folder / "people.csv"
    command = ("person", "sync", "--from", str(file), "--quiet")
    groups = {f"person {number}": f"g{number % 20};h{number % 3}" for number in range(PEOPLE)}
    installation = myriad.open(Home(home))
    installation.up_detached()
    try:
        _write(file, groups)
        first = _command(home, *command)
        changed = {f"person {number}": "g1;new" for number in range(300, 700)}
        changed |= {f"new {number}": "g2" for number in range(300)}
        _write(file, dict(list(groups.items())[300:]) | changed)
        return first, _command(home, *command)
    finally:
        installation.down()


def _write(file: Path, groups: Mapping[str, str]) -> None:
    lines = [f"{name},{some},no,\n" for name, some in groups.items()]
    file.write_text("name,groups,owner,until\n" + "".join(lines))


if __name__ == "__main__":
    main()
