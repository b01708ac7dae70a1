"""Which versions of tables can be had, and which of them somebody means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from myriad import named_sql
from myriad.errors import PublishError
from myriad.named_sql import Row

query = named_sql.load("myriad.publish.postgres", "undo.sql").query


@dataclass(frozen=True)
class State:
    """A version that can be had.

    Attributes:
        turn: its place in the order of what the table showed.
        number: that people know it by; it never changes.
        relation: where it lies in schema `myriad`; None: it is, or is part of, what is shown.
        oid: of the relation.
        apart: the relation of rows that belong to it besides.
        xids: of transactions that added rows to the relation which do not belong to it.
        later: the turns of the versions that these were, the oldest first.
        added: how many rows these were.
        proven: whether `xids` tell which rows they are.
    """

    name: str
    turn: int
    number: int
    run: str
    rows: int
    report: Row
    relation: str | None
    apart: str | None
    xid: int | None
    loaded: int | None
    oid: int
    finished: datetime
    names: dict[str, str]
    foreign_keys: list[Row]
    later: list[int]
    xids: list[str]
    added: int
    proven: bool


def states(
    connection: psycopg.Connection, dataset: str, name: str | None = None
) -> dict[str, list[State]]:
    """Return the versions that can be had by table, the newest first."""
    found: dict[str, list[State]] = {}
    for row in query(connection, "states", dataset=dataset, name=name):
        found.setdefault(row["name"], []).append(State(**row))
    return found


def chosen(connection: psycopg.Connection, dataset: str, name: str, to: int | None) -> list[State]:
    """Return the version of a table that is meant, and those that go back together with it.

    `to` is its number; None: the newest that is not shown. Tables of the same run with foreign keys
    between them go together. Raises PublishError if it cannot be had.
    """
    there = states(connection, dataset)
    wanted = _one(there.get(name, []), f"{dataset}.{name}", to)
    together = _together(there, wanted)
    return [
        wanted,
        *(state for state in together if state.name != name and not _shown(there, state)),
    ]


def _shown(there: dict[str, list[State]], state: State) -> bool:
    return shown(there[state.name]) == state.number


def before_run(
    connection: psycopg.Connection, dataset: str, run: str
) -> tuple[list[State], list[str]]:
    """Return the versions that were shown before a run, and the tables that it made.

    Raises PublishError if something else was done to a table since, or what was is not kept.
    """
    there = states(connection, dataset)
    goals, made = [], []
    for name, turn in _of_run(connection, there, run).items():
        now = _newest(there.get(name, []))
        if now is None or now.turn != turn:
            full = f"{dataset}.{name}"
            raise PublishError(
                f"{full} was changed again after that run",
                hint=f"`myriad history {full}` shows by what; `myriad undo {full} --to N` goes to a"
                " version of one table.",
            )
        older = [state for state in there[name] if state.turn < turn]
        if older:
            goals.append(older[0])
        elif there[name][0].report.get("action") == "created":
            made.append(name)
        else:
            raise PublishError(
                f"what {dataset}.{name} was before that run is not kept",
                hint="The settings `versions` and `versions_disk_percent` say how much is kept.",
            )
    return goals, made


def _of_run(
    connection: psycopg.Connection, there: dict[str, list[State]], run: str
) -> dict[str, int]:
    """Return table → turn of what a run did; raises PublishError if it did nothing."""
    reports = [row["report"] for row in query(connection, "run", run=run)]
    tables = [table for report in reports for table in report.get("tables", ())]
    turns = ((table["table"], table.get("turn", table.get("version"))) for table in tables)
    found = {name: turn for name, turn in turns if turn}
    if not found:  # a run of before versions were numbered
        found = {
            name: state.turn
            for name, versions in there.items()
            for state in versions
            if state.run == run
        }
    if not found:
        raise PublishError(
            f"there is no run {run} whose tables could go back",
            hint="`myriad history --json` shows the runs.",
        )
    return found


def shown(versions: Sequence[State]) -> int | None:
    """Return the number of the version that is shown."""
    newest = _newest(versions)
    return newest.number if newest else None


def _newest(versions: Sequence[State]) -> State | None:
    """Return the version that is shown: the newest of its relation."""
    now = (state for state in versions if state.relation is None)
    return max(now, key=lambda state: state.turn, default=None)


def _one(versions: Sequence[State], name: str, to: int | None) -> State:
    now = shown(versions)
    others = [state for state in versions if state.number != now]
    if not others:
        raise PublishError(
            f"no older version of {name} is kept",
            hint=f"`myriad history {name}` shows what there is; the setting `versions` says how"
            " many are kept.",
        )
    if to is None:
        return others[0]
    for state in others:
        if state.number == to:
            return state
    numbers = ", ".join(str(state.number) for state in others)
    raise PublishError(
        f"version {to} of {name} " + ("is shown already" if to == now else "is not kept"),
        hint=f"There are: {numbers}. `myriad history {name}` says which is which.",
    )


def _together(there: dict[str, list[State]], wanted: State) -> list[State]:
    """Return the versions of the same run that foreign keys join with this one, itself too."""
    of_run = {
        state.name: state
        for versions in there.values()
        for state in versions
        if state.run == wanted.run
    }
    pairs = [
        (name, key["table"])
        for name, state in of_run.items()
        for key in state.report.get("foreign_keys", ())
        if key["table"] in of_run
    ]
    found, more = {wanted.name}, True
    while more:
        next_to = {two for pair in pairs if found & set(pair) for two in pair}
        more = not next_to <= found
        found |= next_to
    return [of_run[name] for name in sorted(found)]
