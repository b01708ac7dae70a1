"""Where every command starts: `myriad`, and `python -m myriad`."""

import atexit
import logging
import os
import sys
from contextlib import suppress

from myriad.cli import main
from myriad.machine.libraries import load_less


class _End:
    """Ends the process when all that wants to hear of its end has: Python would tidy its memory.

    After a publish that takes 0.1 s of processor time, for what goes with the process.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self)  # the first is the last to be called

    def __call__(self) -> None:
        """Leave with the command's exit code; Python does, where that is not known."""
        if self.code is None:
            return
        logging.shutdown()  # it was there before
        with suppress(OSError, ValueError):  # what cannot be written Python tells, and fails
            for stream in filter(None, (sys.stdout, sys.stderr)):  # either may be closed
                stream.flush()
            os._exit(self.code)


def run() -> None:
    """Run the command that `sys.argv` names."""
    end = _End()
    load_less()
    try:
        main()
    except SystemExit as left:
        end.code = left.code if isinstance(left.code, int) else 0 if left.code is None else None
        raise


if __name__ == "__main__":
    run()
