"""How far a command is, drawn on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from myriad.cli.columns import cell
from myriad.publish.options import FIRST, Step
from myriad.publish.options import Progress as Callback
from myriad.wording import number_of

MEGABYTE = 1_000_000


@contextmanager
def bars() -> Iterator[Callback]:
    """Draw a bar for each table on standard error; give what moves them."""
    columns = (
        TextColumn("{task.description}", markup=False),  # a table may be called [red]
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        tasks: dict[str, TaskID] = {}
        begun: dict[
            str, tuple[str, float, int]
        ] = {}  # of each table: its step, when, and from where

        def show(step: Step) -> None:
            if step.notice:
                drawn.console.print(cell(step.notice), soft_wrap=True)
                return
            bar = "" if step.phase in FIRST else step.table  # there may be thousands of files
            if bar and "" in tasks:
                drawn.remove_task(tasks.pop(""))
            if bar not in tasks:
                tasks[bar] = drawn.add_task(step.table, total=1.0, speed="")
            task = next(each for each in drawn.tasks if each.id == tasks[bar])
            elapsed = task.elapsed or 0.0
            if begun.get(bar, ("",))[0] != step.phase:
                begun[bar] = step.phase, elapsed, step.rows
            speed = _speed(step, elapsed - begun[bar][1], begun[bar][2])
            name = f"{step.table} {step.phase}".strip()
            drawn.update(task.id, description=name, completed=step.share, speed=speed)

        yield show


def _speed(step: Step, seconds: float, before: int) -> str:
    """Return how many rows there are, and how fast this step makes them, if it makes any.

    Before there are rows, how many bytes came.
    """
    if step.phase in FIRST:
        came = step.share * step.size if step.share else step.size
        return f"{came / MEGABYTE:,.1f} MB" if came else ""
    said = number_of(step.rows, "row")
    if step.rows > before and seconds > 0:
        said += f", {(step.rows - before) / seconds:,.0f} rows/s"
        if step.size and not before:
            said += f", {step.share * step.size / seconds / MEGABYTE:,.1f} MB/s"
    return said
