"""How long people wait: for a served database, for a start, for ten thousand accounts.

Run by `make bench`. There is no peer to race: each line has a goal of its own, and the median of
several rounds stands beside it. What publishes files runs on a home that is up, as a person does.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import myriad
from benchmarks import inputs, measure
from myriad.home.home import Home

Seconds = TypeVar("Seconds", float, tuple[float, float])


@dataclass(frozen=True)
class Publish:
    """A file, or a folder of files for one command, and in how many seconds it is to be there."""

    name: str
    path: Callable[[], Path]
    seconds: float
    options: tuple[str, ...] = ()


GOALS = (
    Publish("a CSV of 1,000 rows", inputs.small, 0.45),
    Publish("600 columns, 2,000 rows", inputs.wide, 1.2),
    Publish("1,000 small files in one command (300 MB)", inputs.thousand, 20.0),
    Publish("an xlsx of 200,000 rows, 6 columns", inputs.workbook, 3.0),
    Publish("SQLite, 500,000 rows (120,000 rows/s)", inputs.sqlite, 500 / 120),
    Publish("JSON Lines, 500,000 rows (200,000 rows/s)", inputs.json_lines, 2.5),
    Publish("1 M JSON documents, nested two deep", inputs.documents, 15.0, ("--nested", "columns")),
)
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
        published = _published(Path(folder))
    lines = ["# How long people wait", "", *(f"- {line}" for line in measure.machine()), ""]
    lines += ["| | goal s | median s | fastest s |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {goal:.0f} | {statistics.median(times):.1f} | {min(times):.1f} |"
        for name, goal, times in rows
    ]
    lines += ["", "| publish | goal s | median s | fastest s | processor s | peak MB |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [_shown(goal, runs) for goal, runs in published]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


def _published(folder: Path) -> list[tuple[Publish, list[measure.Run]]]:
    """Publish each file several times, in turns."""
    home = Path(tempfile.mkdtemp(dir=folder))
    home.chmod(0o755)
    installation = myriad.open(home / "home")
    installation.up_detached()
    try:
        return [(goal, [_publish(home / "home", goal) for _ in range(ROUNDS)]) for goal in GOALS]
    finally:
        installation.down()


def _publish(home: Path, goal: Publish) -> measure.Run:
    path = goal.path()
    sources = sorted(path.iterdir()) if path.is_dir() else [path]
    command = [sys.executable, "-m", "myriad", "publish", "--quiet", "--home", str(home)]
    place = ["--dataset", path.name]  # of its own: names of tables come again
    return measure.run([*command, *place, *goal.options, *map(str, sources)])


def _shown(goal: Publish, runs: list[measure.Run]) -> str:
    seconds, cpu = [run.seconds for run in runs], statistics.median(run.cpu for run in runs)
    peak = max(run.peak for run in runs) / inputs.MB
    return (
        f"| {goal.name} | {goal.seconds:.2f} | {statistics.median(seconds):.2f}"
        f" | {min(seconds):.2f} | {cpu:.2f} | {peak:.0f} |"
    )


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
