"""Load on a server that speaks PostgreSQL's protocol, from one process; prints JSON.

    python -m benchmarks.load --port 6432 --accounts 1000 --connections 1000 loop --seconds 5

`login` connects everybody; `loop` keeps sessions busy, each waiting for its answer before the next
statement; `busy` has a few of many at work, with pauses; `big` fetches one big result.
"""

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import resource
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Self

import psutil
import uvloop

from benchmarks import load_wire as wire
from benchmarks.load_fleet import Busy, Fleet, Target, Work, clock, flood

SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = {}"
AIDS = range(1, 100_000, 1563)  # 64 of them
BIG = "SELECT a.* FROM pgbench_accounts a, generate_series(1, 88) n"
NAMED = "bench"
MB = 1_000_000
LOOK = 0.1  # seconds between looks at the memory of the watched processes
DRAIN = 2.0  # seconds that statements under way may still take when time is up


def main() -> None:
    """Do what the command line says; exit with 1 if anything went wrong."""
    options = _arguments().parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    result = uvloop.run(_bounded(options))
    print(json.dumps(result))
    sys.exit(1 if result["errors"] else 0)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address, or the folder of a Unix socket")
    add("--port", type=int, default=6432)
    add("--database", default="main")
    add("--user-prefix", default="user", help="accounts are PREFIX0, PREFIX1, ...")
    add("--accounts", type=int, default=1, help="distinct accounts; 0: one, called PREFIX")
    add("--password", default="password")
    add("--connections", type=int, default=1)
    add("--at-once", type=int, default=100, help="logins under way at a time")
    add("--sources", type=int, default=8, help="addresses 127.0.0.x that connections come from")
    add("--watch", type=int, action="append", default=[], help="PID to measure; may be repeated")
    add("--deadline", type=float, default=300.0, help="seconds after which it gives up")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("login", help="connect everybody")
    loop = commands.add_parser("loop", help="a closed loop of one-row SELECTs")
    busy = commands.add_parser("busy", help="some of the connections at work, with pauses")
    for command, think, active in ((loop, 0.0, 0), (busy, 0.1, 100)):
        more = command.add_argument
        more("--active", type=int, default=active, help="busy connections; 0: all")
        more("--seconds", type=float, default=5.0, help="measured, after the warm-up")
        more("--warm-up", type=float, default=2.0)
        more("--think", type=float, default=think, help="seconds of pause after an answer")
        more("--protocol", choices=("simple", "extended", "prepared"), default="simple")
    big = commands.add_parser("big", help="one big result, read and thrown away")
    big.add_argument("--sql", default=BIG)
    big.add_argument("--times", type=int, default=3, help="the median counts")
    return parser


async def _bounded(options: argparse.Namespace) -> dict[str, Any]:
    problems = wire.Problems()
    watch = Watch(options.watch)
    result: dict[str, Any] = {"command": options.command, "connections": options.connections}
    with watch:
        try:
            async with asyncio.timeout(options.deadline):
                await _run(options, result, problems, watch)
        except TimeoutError:
            problems.add(f"given up after {options.deadline:g} seconds")
    result["errors"] = problems.count
    result["first_errors"] = dict(problems.first)
    return result | watch.report()


async def _run(
    options: argparse.Namespace, result: dict[str, Any], problems: wire.Problems, watch: "Watch"
) -> None:
    target = Target(
        options.host,
        options.port,
        options.database,
        options.user_prefix,
        options.accounts,
        options.password,
        options.sources,
    )
    fleet = Fleet(target, problems)
    looking = asyncio.create_task(watch.keep_looking())
    try:
        await fleet.connect(options.connections, options.at_once)
        result |= _logins(fleet)
        watch.note("connected")
        if options.command == "big" and fleet.sessions:
            await _big(options, fleet, result, problems)
        elif options.command != "login" and fleet.sessions:
            await _drive(options, fleet, result, problems)
        watch.note("after")
    finally:
        looking.cancel()
        fleet.close()


def _logins(fleet: Fleet) -> dict[str, Any]:
    return {
        "connected": len(fleet.sessions),
        "login_seconds": round(fleet.seconds, 3),
        "logins_per_second": round(len(fleet.sessions) / max(fleet.seconds, 1e-9)),
        "login": _milliseconds(fleet.login_times),
    }


async def _drive(
    options: argparse.Namespace, fleet: Fleet, result: dict[str, Any], problems: wire.Problems
) -> None:
    work = Work(_texts(options.protocol), problems, options.think)
    chosen = _spread(fleet.sessions, options.active or len(fleet.sessions))
    busy = [Busy(transport, work, number) for number, transport in enumerate(chosen)]
    with _no_collector():
        _start(busy, chosen, options)
        await asyncio.sleep(options.warm_up)
        del work.times[:]
        began, spent = clock(), _own_cpu()
        await asyncio.sleep(options.seconds)
        seconds = clock() - began
        times, own = work.times[:], (_own_cpu() - spent) / seconds
        waiting = max((clock() - each.began for each in busy if each.began), default=0.0)
    result |= {
        "active": len(busy),
        "seconds": round(seconds, 2),
        "requests": len(times),
        "tps": round(len(times) / seconds, 1),
        **_milliseconds(times),
        "longest_unanswered_ms": round(waiting * 1000, 1),
        "own_cpu": round(own, 2),  # near 1: this process is what limits
    }
    await _drain(work, busy)


def _start(busy: Sequence[Busy], sessions: Sequence[asyncio.Transport], options: Any) -> None:  # noqa: ANN401 - argparse's
    if options.protocol == "prepared":
        for transport in sessions:
            transport.write(wire.parse(NAMED, SELECT.format("$1")))
    if options.think:
        loop = asyncio.get_running_loop()
        for number, each in enumerate(busy):  # not all at the same moment
            loop.call_later(options.think * number / len(busy), each.send)
    else:
        for each in busy:
            each.send()


async def _drain(work: Work, busy: Sequence[Busy]) -> None:
    work.running = False
    end = clock() + DRAIN
    while any(each.began for each in busy) and clock() < end:  # noqa: ASYNC110 - no event costs nothing
        await asyncio.sleep(LOOK)


def _texts(protocol: str) -> list[bytes]:
    if protocol == "simple":
        return [wire.query(SELECT.format(aid)) for aid in AIDS]
    if protocol == "prepared":
        return [wire.bind_execute(NAMED, str(aid)) for aid in AIDS]
    unnamed = wire.parse("", SELECT.format("$1"))
    return [unnamed + wire.bind_execute("", str(aid)) for aid in AIDS]


def _spread(sessions: Sequence[asyncio.Transport], count: int) -> list[asyncio.Transport]:
    step = max(1, len(sessions) // count)
    return list(itertools.islice(sessions, 0, None, step))[:count]


async def _big(
    options: argparse.Namespace, fleet: Fleet, result: dict[str, Any], problems: wire.Problems
) -> None:
    statement = wire.query(options.sql)
    spent, began, speeds = _own_cpu(), clock(), []
    for _ in range(options.times):
        try:
            found = await asyncio.to_thread(flood, fleet.sessions[0], statement)
        except OSError as error:
            problems.add(f"big: {error}")
            return
        speeds.append(found.size / MB / found.seconds)
        if b"SELECT " not in found.end:
            problems.add(f"no result: {found.end!r}")
    result |= {
        "bytes": found.size,
        "mb_per_second": round(statistics.median(speeds), 1),
        "each": [round(speed, 1) for speed in speeds],
        "own_cpu": round((_own_cpu() - spent) / (clock() - began), 2),
    }


def _milliseconds(times: Sequence[float]) -> dict[str, float]:
    if len(times) < 2:
        return {}
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    named = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(times)}
    return {name: round(value * 1000, 2) for name, value in named.items()}


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the collector of garbage from pausing us while we measure others."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Watch:
    """Resident memory (bytes) and CPU time of other processes, at named moments and at the peak."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._resident: dict[str, int] = {}
        self._cpu = 0.0

    def __enter__(self) -> Self:
        self._cpu = self._cpu_now()
        self.note("before")
        return self

    def __exit__(self, *_: object) -> None:
        self._cpu = self._cpu_now() - self._cpu

    def note(self, moment: str) -> None:
        """Note the memory under a name."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._resident[moment] = sum(each.memory_info().rss for each in self._processes)
        self._resident["peak"] = max(self._resident.values(), default=0)

    async def keep_looking(self) -> None:
        """Note the peak until cancelled."""
        while self._processes:
            self.note("last look")
            await asyncio.sleep(LOOK)

    def report(self) -> dict[str, Any]:
        """Return what was seen."""
        if not self._processes:
            return {}
        return {"resident": self._resident, "watched_cpu_seconds": round(self._cpu, 2)}

    def _cpu_now(self) -> float:
        spent = (each.cpu_times() for each in self._processes if each.is_running())
        return sum(times.user + times.system for times in spent)


if __name__ == "__main__":
    main()
