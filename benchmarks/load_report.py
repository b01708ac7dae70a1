"""What `bench_door` measures, its goals, and the page that says whether they are met."""

import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

DOOR, PGBOUNCER, DIRECT = "door", "pgbouncer", "direct"
ACCOUNTS, ONE, LOGINS, IDLE, BIG = "accounts", "one", "logins", "idle", "big"
LOOPS = (ACCOUNTS, ONE, IDLE)
MB = 1_000_000
FINE = "{:,.1f}"
WIDE = "SELECT repeat('x', 1000), generate_series(1, 1000000)"


@dataclass(frozen=True)
class Case:
    """One measurement: how many accounts and connections, and what the load generator does.

    `quick` follows `command` where time is short.
    """

    group: str
    name: str
    accounts: int
    connections: int
    command: tuple[str, ...]
    quick: tuple[str, ...] = ()
    sides: tuple[str, ...] = (DOOR, PGBOUNCER)
    in_quick: bool = True


SHORT = ("--seconds", "3", "--warm-up", "1")


def _accounts(count: int, *sides: str) -> Case:
    # With an account each and a shared limit, PgBouncer's turn lasts: 3,000 take 10 s for one.
    loop = ("loop", "--seconds", "10", "--warm-up", "3")
    quick = count in {100, 1000}
    return Case(ACCOUNTS, f"{count:,}", count, count, loop, SHORT, sides, quick)


def _one(count: int) -> Case:
    loop = ("loop", "--seconds", "8", "--warm-up", "2")
    return Case(ONE, f"{count:,}", 1, count, loop, SHORT, in_quick=count < 10_000)


CASES = (
    *(_accounts(count, DOOR, PGBOUNCER) for count in (100, 1000, 3000)),
    _accounts(10_000, DOOR),
    *(_one(count) for count in (20, 1000, 10_000)),
    Case(LOGINS, "distinct accounts", 10_000, 10_000, ("login",), sides=(DOOR,)),
    Case(LOGINS, "one account", 1, 10_000, ("login",)),
    Case(IDLE, "distinct accounts", 10_000, 10_000, ("busy", "--seconds", "10"), SHORT, (DOOR,)),
    Case(IDLE, "one account", 1, 10_000, ("busy", "--seconds", "10"), SHORT, (PGBOUNCER,)),
    Case(BIG, "rows of 114 bytes", 1, 1, ("big",), sides=(DIRECT, DOOR, PGBOUNCER)),
    Case(BIG, "rows of 1 kB", 1, 1, ("big", "--sql", WIDE), sides=(DIRECT, DOOR, PGBOUNCER)),
)

Results = dict[tuple[Case, str], list[dict[str, Any]]]
Number = float | None


class Page:
    """The results of one run as Markdown."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def cases(self, group: str) -> list[Case]:
        """Return the cases of a group that were measured."""
        return list(dict.fromkeys(case for case, _ in self._results if case.group == group))

    def median(self, case: Case, side: str, *path: str) -> Number:
        """Return the median of a figure over the rounds, None if it was not measured."""
        found = [_at(each, path) for each in self._results.get((case, side), [])]
        numbers = [number for number in found if number is not None]
        return statistics.median(numbers) if numbers else None

    def share(self, case: Case, side: str, other: str, *path: str) -> Number:
        """Return the ratio of a figure's medians on two sides."""
        return _ratio(self.median(case, side, *path), self.median(case, other, *path))

    def by_name(self, group: str, name: str) -> Case | None:
        """Return one case if it was measured."""
        return next((case for case in self.cases(group) if case.name == name), None)

    def problems(self) -> list[str]:
        """Return a line for each measurement with errors."""
        found = []
        for (case, side), rounds in self._results.items():
            count = sum(each["errors"] for each in rounds)
            if count:
                words = {text for each in rounds for text in each["first_errors"]}
                said = "; ".join(sorted(words)[:3])
                found.append(f"- {case.group}, {case.name}, {side}: {count:,} errors: {said}")
        return found

    def loops(self, group: str) -> list[str]:
        """Return the table of a group of closed loops."""
        head = "| | door tps | PgBouncer tps | ratio | door {0} | PgBouncer {0} | MB resident |"
        lines = [
            head.format("p50, p99, max ms"),
            "|---|---|---|---|---|---|---|",
        ]
        for case in self.cases(group):
            tps = [_shown(self.median(case, side, "tps")) for side in (DOOR, PGBOUNCER)]
            memory = [self.median(case, side, "resident", "peak") for side in (DOOR, PGBOUNCER)]
            took = [self._times(case, side) for side in (DOOR, PGBOUNCER)]
            ratio = _shown(self.share(case, DOOR, PGBOUNCER, "tps"), "{:.2f}")
            resident = ", ".join(_shown(_ratio(each, MB)) for each in memory)
            lines.append(f"| {' | '.join((case.name, *tps, ratio, *took, resident))} |")
        return lines

    def _times(self, case: Case, side: str) -> str:
        shown = [_shown(self.median(case, side, name), FINE) for name in ("p50_ms", "p99_ms")]
        # Who still waits at the end has waited too: PgBouncer lets some accounts starve.
        waits = [self.median(case, side, name) for name in ("max_ms", "longest_unanswered_ms")]
        longest = max((each for each in waits if each is not None), default=None)
        return ", ".join((*shown, _shown(longest, FINE)))

    def logins(self) -> list[str]:
        """Return the table of logins."""
        lines = ["| | door s | PgBouncer s |", "|---|---|---|"]
        for case in self.cases(LOGINS):
            seconds = [self.median(case, side, "login_seconds") for side in (DOOR, PGBOUNCER)]
            shown = [_shown(each, "{:.2f}") for each in seconds]
            lines.append(f"| {' | '.join((case.name, *shown))} |")
        return lines

    def big(self) -> list[str]:
        """Return the table of big results."""
        lines = [
            "| | direct MB/s | door MB/s | of direct | PgBouncer MB/s | of direct | door grew MB |",
            "|---|---|---|---|---|---|---|",
        ]
        for case in self.cases(BIG):
            row = [_shown(self.median(case, DIRECT, "mb_per_second"))]
            for side in (DOOR, PGBOUNCER):
                row.append(_shown(self.median(case, side, "mb_per_second")))
                row.append(_shown(self.share(case, side, DIRECT, "mb_per_second"), "{:.2f}"))
            grown = _shown(_ratio(self.grown(case), MB), "{:.1f}")
            lines.append(f"| {' | '.join((case.name, *row, grown))} |")
        return lines

    def grown(self, case: Case) -> Number:
        """Return by how many bytes the door grew at most while it passed a big result."""
        peak = self.median(case, DOOR, "resident", "peak")
        before = self.median(case, DOOR, "resident", "connected")
        return None if peak is None or before is None else peak - before

    def per_connection(self, case: Case, side: str) -> Number:
        """Return resident bytes for each idle connection."""
        after = self.median(case, side, "resident", "connected")
        before = self.median(case, side, "resident", "before")
        connected = self.median(case, side, "connected")
        return None if after is None or before is None else _ratio(after - before, connected)

    def idle(self) -> list[str]:
        """Return the table of many idle connections."""
        lines = ["| | tps | p50, p99, max ms | kB a connection |", "|---|---|---|---|"]
        for case in self.cases(IDLE):
            for side in (DOOR, PGBOUNCER):
                if (case, side) in self._results:
                    memory = _shown(_ratio(self.per_connection(case, side), 1000), "{:.1f}")
                    tps = _shown(self.median(case, side, "tps"))
                    row = (f"{side}, {case.name}", tps, self._times(case, side), memory)
                    lines.append(f"| {' | '.join(row)} |")
        return lines


def goals(page: Page) -> list[str]:
    """Return a line for each goal that was measured: the goal, the figure, met or not."""
    found = [*_of_accounts(page), *_of_one(page), *_of_logins(page), *_of_idle(page)]
    for case in page.cases(BIG):
        share, grown = page.share(case, DOOR, DIRECT, "mb_per_second"), page.grown(case)
        found += [
            _goal(f"1 GB, {case.name}: at least 0.7 of direct", share, lambda x: x >= 0.7),
            _goal("its memory flat (MB)", _ratio(grown, MB), lambda x: x <= 16),
        ]
    return [line for line in found if line]


def _of_accounts(page: Page) -> list[str]:
    many = page.by_name(ACCOUNTS, "3,000")
    ratio = page.share(many, DOOR, PGBOUNCER, "tps") if many else None
    all_tps = [page.median(case, DOOR, "tps") for case in page.cases(ACCOUNTS)]
    tps = [each for each in all_tps if each is not None]
    flat = min(tps) / max(tps) if len(tps) > 1 else None
    return [
        _goal("3,000 accounts: at least 30 × PgBouncer's tps", ratio, lambda x: x >= 30),
        _goal("flat over accounts: slowest at least 0.8 of fastest", flat, lambda x: x >= 0.8),
    ]


def _of_one(page: Page) -> list[str]:
    found = []
    for case in page.cases(ONE):
        share = page.share(case, DOOR, PGBOUNCER, "tps")
        memory = _ratio(page.median(case, DOOR, "resident", "peak"), MB)
        theirs = _ratio(page.median(case, PGBOUNCER, "resident", "peak"), MB)
        most = max(64.0, theirs or 0)
        name = f"{case.name} connections of one account"
        resident = f"{name}: resident at most 64 MB, or PgBouncer's {theirs or 0:.0f} (MB)"
        found += [
            _goal(f"{name}: at least 0.6 of PgBouncer's tps", share, lambda x: x >= 0.6),
            _goal(resident, memory, partial(operator.ge, most)),
        ]
    return found


def _of_logins(page: Page) -> list[str]:
    ours, theirs = (page.by_name(LOGINS, name) for name in ("distinct accounts", "one account"))
    if not ours or not theirs:
        return []
    seconds = page.median(ours, DOOR, "login_seconds")
    share = _ratio(seconds, page.median(theirs, PGBOUNCER, "login_seconds"))
    name = "10,000 logins of distinct accounts: at most 2 × PgBouncer's time for one account"
    return [_goal(name, share, lambda x: x <= 2)]


def _of_idle(page: Page) -> list[str]:
    case = page.by_name(IDLE, "distinct accounts")
    if not case:
        return []
    p99 = page.median(case, DOOR, "p99_ms")
    memory = _ratio(page.per_connection(case, DOOR), 1000)
    return [
        _goal("10,000 connected, 1 % busy: p99 below 20 ms", p99, lambda x: x < 20),
        _goal("kB resident for each idle connection at most 30", memory, lambda x: x <= 30),
    ]


def _goal(text: str, figure: Number, met: Callable[[float], bool]) -> str:
    if figure is None:
        return ""
    return f"- {text}: {figure:.2f} – {'met' if met(figure) else '**not met**'}"


def lines(head: Sequence[str], about: Sequence[str], results: Results) -> list[str]:
    """Return the whole page."""
    page = Page(results)
    parts: list[tuple[str, str, list[str]]] = [
        (ACCOUNTS, "Distinct accounts, each connected once, all busy", page.loops(ACCOUNTS)),
        (ONE, "Connections of one account, all busy", page.loops(ONE)),
        (LOGINS, "10,000 logins", page.logins()),
        (IDLE, "10,000 connected, 1 % busy with pauses of 0.1 s", page.idle()),
        (BIG, "One result of 1 GB", page.big()),
    ]
    text = ["# The door beside PgBouncer", "", *head, *(f"- {line}" for line in about), "", *NOTES]
    met = goals(page)
    text += ["", "## Goals", "", *met] if met else []
    for group, title, table in parts:
        text += ["", f"## {title}", "", *table] if page.cases(group) else []
    problems = page.problems()
    text += ["", "## Errors", "", *problems] if problems else []
    return [*text, ""]


NOTES = [
    "One-row SELECTs by primary key, 64 different texts, simple query protocol unless said.",
    "Server, poolers and load generator share the cores. PgBouncer: one process, transaction",
    "pooling, 20 server connections a pool, and in all as many as PostgreSQL has to give;",
    "SCRAM-SHA-256 with verifiers in a file; to PostgreSQL over the same Unix socket, where",
    "everybody is trusted for this benchmark only. Direct: that socket without a pooler.",
    "MB resident: of the door, of PgBouncer, at the peak. Each turn starts everything anew.",
]


def _at(found: Any, path: Sequence[str]) -> Number:  # noqa: ANN401 - JSON
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None


def _ratio(one: Number, other: Number) -> Number:
    return None if one is None or not other else one / other


def _shown(number: Number, form: str = "{:,.0f}") -> str:
    return "–" if number is None else form.format(number)
