"""How far a command is, and whom it waits for, on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from myriad.cli.common import Session
from myriad.publish.options import Progress as Callback
from myriad.publish.options import Step


@contextmanager
def progress(session: Session) -> Iterator[Callback]:
    """Say on standard error whom it waits for; where that is a terminal, show how far it is."""
    if not (session.quiet or session.as_json) and sys.stderr.isatty():
        from myriad.cli.bars import bars  # noqa: PLC0415 - it loads what only terminals need

        with bars() as show:
            yield show
        return

    def warn(step: Step) -> None:
        if step.notice:
            with suppress(OSError):  # nobody reads it: that is no reason to stop
                session.warn(step.notice)

    yield warn
