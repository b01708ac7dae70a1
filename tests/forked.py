"""Run scripts that kill their own process: forked from one that has loaded what they need.

A process of its own would take half a second of CPU to load it, before it does anything.
"""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

WITHIN = 300.0  # seconds
LOADED = [
    __name__,
    "myriad.api",
    "myriad.publish.publish",
    "myriad.publish.everywhere",
    "myriad.publish.cassandra.job",
    "myriad.publish.cassandra.undo",
    "myriad.publish.postgres.job",
    "myriad.sources.csv.source",
]


def run_until_killed(script: str, given: dict[str, Any], code: int = -signal.SIGKILL) -> None:
    """Run a script, whose argument is `given` as JSON, that kills its own process, or a node."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(LOADED)
    with tempfile.NamedTemporaryFile() as said:
        arguments = (script, json.dumps(given), said.name, dict(os.environ))
        process = forks.Process(target=_run, args=arguments)
        process.start()
        process.join(WITHIN)
        process.kill()
        assert process.exitcode == code, Path(said.name).read_text()


def _run(script: str, given: str, said: str, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with Path(said).open("w") as file:
        for output in (1, 2):
            os.dup2(file.fileno(), output)
    sys.argv = ["-c", given]
    exec(script, {"__name__": "__main__"})
