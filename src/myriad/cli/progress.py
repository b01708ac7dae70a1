"""How far a command is, and whom it waits for, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from myriad.cli.columns import cell
from myriad.cli.common import Session
from myriad.publish.options import Progress as Callback
from myriad.publish.options import Step

MEGABYTE = 1_000_000


@contextmanager
def progress(session: Session) -> Iterator[Callback]:
    """Say on standard error whom it waits for; where that is a terminal, show how far it is."""
    console = Console(stderr=True)
    if session.quiet or session.as_json or not console.is_terminal:

        def warn(step: Step) -> None:
            if step.notice:
                with suppress(OSError):  # nobody reads it: that is no reason to stop
                    session.warn(step.notice)

        yield warn
        return
    columns = (
        TextColumn("{task.description}", markup=False),  # a table may be called [red]
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks = {}

        def show(step: Step) -> None:
            if step.notice:
                bars.console.print(cell(step.notice), soft_wrap=True)
                return
            if step.table not in tasks:
                tasks[step.table] = bars.add_task(step.table, total=1.0, speed="")
            task = bars.tasks[tasks[step.table]]
            seconds = max(task.elapsed or 0, 0.001)
            speed = f"{step.rows:,} rows, {step.rows / seconds:,.0f} rows/s"
            if step.size:
                speed += f", {step.share * step.size / seconds / MEGABYTE:,.1f} MB/s"
            name = f"{step.table} {step.phase}".strip()
            bars.update(task.id, description=name, completed=step.share, speed=speed)

        yield show
