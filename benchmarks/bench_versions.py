"""What it costs to keep a version of 3,000,000 rows at each publish, and how long `undo` takes.

Run by `make bench`. Publishing with `versions = 2` and with `versions = 0`, which drops the old
table, take turns over the same table. Goals: keeping takes at most 1.05 of the time without, `undo`
less than a second; `undo` of an append of 100,000 rows is measured too.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import myriad
from benchmarks import inputs, measure
from benchmarks.bench_publish import RESULTS, running
from myriad.publish.options import Options

ROUNDS = 5
APPENDED = 100_000
GOAL_SHARE = 1.05
GOAL_UNDO = 1.0
KEEPING, DROPPING = "versions = 2", "versions = 0"


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _publishes(installation: myriad.Myriad, path: Path) -> dict[str, list[float]]:
    """Publish in turns with versions kept and without; both replace a table, and drop one."""
    ways = {
        KEEPING: replace(installation, settings=replace(installation.settings, versions=2)),
        DROPPING: replace(installation, settings=replace(installation.settings, versions=0)),
    }
    runs: dict[str, list[float]] = {name: [] for name in ways}
    options = Options(table="bench")
    for number in range(ROUNDS):
        for name in sorted(ways, reverse=bool(number % 2)):
            ways[name].publish([path], options)  # what the other way left goes with this one
            runs[name].append(_seconds(partial(ways[name].publish, [path], options)))
            print(f"round {number + 1}, {name}: {runs[name][-1]:.2f} s")
    return runs


def _undos(installation: myriad.Myriad, path: Path) -> dict[str, list[float]]:
    for _ in range(2):
        installation.publish([path], Options(table="bench"))
    runs = {"undo of a publish": [_seconds(lambda: installation.undo("bench"))
                                  for _ in range(ROUNDS)]}  # fmt: skip
    part = path.with_name("part.csv")
    with path.open("rb") as whole, part.open("wb") as some:
        some.writelines(line for line, _ in zip(whole, range(APPENDED + 1), strict=False))
    installation.publish([part], Options(table="bench", append=True))
    # To and fro: rows are taken out, and put in again.
    name = f"undo of an append of {APPENDED:,} rows, to and fro"
    runs[name] = [_seconds(lambda: installation.undo("bench")) for _ in range(ROUNDS + 1)]
    runs["diff of two versions"] = [_seconds(lambda: installation.diff("bench"))]
    return runs


def main() -> None:
    """Run everything; print the result and keep it in `results/`."""
    lines = [
        "# Keeping versions",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; {ROUNDS} rounds in turns.",
        f"Goals: keeping takes {GOAL_SHARE} of the time without, `undo` {GOAL_UNDO:g} s, at most.",
        "",
        *(f"- {line}" for line in measure.machine()),
        "",
        "| | median s | fastest s |",
        "|---|---|---|",
    ]
    source = inputs.accounts()
    with running() as bench:
        publishes = _publishes(bench.installation, source.path)
        undos = _undos(bench.installation, source.path)
    for name, seconds in {**publishes, **undos}.items():
        lines.append(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} |")
    median = {name: statistics.median(seconds) for name, seconds in publishes.items()}
    fastest = {name: min(seconds) for name, seconds in publishes.items()}
    shares = [each[KEEPING] / each[DROPPING] for each in (median, fastest)]
    lines += [
        "",
        "Keeping takes {:.3f} of the time without, the fastest {:.3f}.".format(*shares),
        "",
    ]
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "versions.md").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
