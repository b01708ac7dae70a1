"""`myriad demo`: from a file to people who query it, in one go."""

import os
import shlex
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from myriad import Myriad
from myriad.cli.columns import echo
from myriad.cli.common import Session, common, start_if_needed
from myriad.cli.progress import progress
from myriad.connect import CLIENTS, Target
from myriad.demo import tour
from myriad.demo.tour import Answer, Served
from myriad.errors import MyriadError
from myriad.home.home import demo_folder
from myriad.wording import number_of

LOOK = 1.0  # seconds between looks whether the engine is still up
MOST_COLUMNS = 8  # more do not fit side by side


@click.command("demo")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--exit", "leave", is_flag=True, help="End after the tour.")
@common
def demo_command(session: Session, file: Path | None, *, leave: bool) -> None:
    """Serve invented accounts, or FILE, to two people, Rose and Bruno; stay up until Ctrl-C."""
    began = time.monotonic()
    if session.folder is None and "MYRIAD_HOME" not in os.environ:
        session.folder = demo_folder()
    installation = session.open()
    if file:
        from myriad.sources.open import check  # noqa: PLC0415 - takes long, and `--help` need not

        check([file])  # before anything is started for a name that is mistyped
    session.say(f"The demo's home: {installation.home.folder} (for other commands: --home).")
    with _engine(session, installation) as ours:
        tour.refuse_others(installation)
        with progress(session) as tell, _own_options(file):
            served = (
                tour.serve_file(installation, file, tell)
                if file
                else tour.serve_demo(installation, tell)
            )
        seconds = time.monotonic() - began
        show_tour = tour.first_rows if file else tour.tour
        answers = list(show_tour(installation, served))
        _show(session, served, answers, _targets(installation, served), seconds)
        if not leave:
            _stay(session, installation, ours=ours)


@contextmanager
def _own_options(file: Path | None) -> Iterator[None]:
    """Say of errors about a file which command has the options that they name."""
    try:
        yield
    except MyriadError as error:
        if file is not None and "--" in error.hint:
            command = shlex.join(["myriad", "publish", str(file)])
            error.hint += f" The demo has no such option: `{command} --…` has."
        raise


@contextmanager
def _engine(session: Session, installation: Myriad) -> Iterator[bool]:
    """Have an engine up; if it is ours, not up before, take it down at the end."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    ours = start_if_needed(session, installation)
    try:
        yield ours
    finally:
        if ours:
            installation.down()
            again = f"`myriad up{installation.home.option}`"
            session.say(f"PostgreSQL is stopped; the data stays: {again} serves it again.")


def _stay(session: Session, installation: Myriad, *, ours: bool) -> None:
    session.say(
        "Up until Ctrl-C."
        if ours
        else "Ctrl-C ends the demo; PostgreSQL was up before and stays up"
        f" (`myriad down{installation.home.option}` stops it)."
    )
    with suppress(KeyboardInterrupt):
        while installation.home.holder() is not None:
            threading.Event().wait(LOOK)


def _targets(installation: Myriad, served: Served) -> list[Target]:
    server = installation.server()
    return [
        Target(server.host, server.port, login.database, login.person, login.password)
        for login in served.logins
    ]


def _show(
    session: Session,
    served: Served,
    answers: Sequence[Answer],
    targets: Sequence[Target],
    seconds: float,
) -> None:
    data = {
        "seconds": round(seconds, 3),
        "published": [report.as_data() for report in served.reports],
        "logins": [asdict(to) | {"uri": to.uri(with_password=True)} for to in targets],
        "answers": [asdict(answer) for answer in answers],
    }
    if session.as_json:
        session.result(data, "")
        return
    console = Console(highlight=False)
    for line in _published(served):
        console.print(Text(line))
    console.print(f"Served after {seconds:.1f} s.\n", markup=False)
    for answer in answers:
        _show_answer(console, answer)
    for target in targets:
        echo(_connection_lines(target, session.open().home.folder))


def _connection_lines(to: Target, home: Path) -> str:
    words = ["myriad", "connect", to.user, "--database", to.database, "--home", str(home)]
    other = shlex.join(words)
    return (
        f"# Connect as {to.user} (the password is shown once):\n"
        f"psql {shlex.quote(to.uri(with_password=True))}\n"
        f"{CLIENTS['psycopg'].lines(to)}\n"
        f"# Other clients: {other}\n"
    )


def _published(served: Served) -> Iterator[str]:
    for report in served.reports:
        for table in report.tables:
            name = f"{report.database}.{report.dataset}.{table.table.name}"
            yield f"{name}: {number_of(table.rows, 'row')} from {Path(table.source).name}"


def _show_answer(console: Console, answer: Answer) -> None:
    console.print(Text(f"{answer.person} asks:", style="bold"))
    console.print(Text(answer.query, style="dim"), soft_wrap=True)
    if answer.refused:
        console.print(Text(answer.refused, style="red"), end="\n\n")
        return
    shown = Table(*answer.columns[:MOST_COLUMNS], box=None, pad_edge=False, header_style="bold")
    for row in answer.rows:
        shown.add_row(*(_cell(value) for value in row[:MOST_COLUMNS]))
    left_out = len(answer.columns) - MOST_COLUMNS
    console.print(shown, Text(f"… and {left_out} more columns" if left_out > 0 else ""))


def _cell(value: object) -> Text:
    """Return a value for a cell; data must not steer the terminal."""
    text = "" if value is None else str(value)
    printable = "".join(each if each.isprintable() else " " for each in text)
    side: JustifyMethod = "right" if isinstance(value, (int, float, Decimal)) else "left"
    return Text(printable, justify=side, no_wrap=True, overflow="ellipsis")
