"""The management beans of a node, where its process is gone."""

import subprocess
import sys

import psutil
import pytest

from myriad.engines.cassandra.nodes import management
from myriad.errors import NotRunning
from tests.harness import wait_until


def test_a_node_that_was_killed_and_not_waited_for_yet_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = psutil.Process(child.pid)
        child.kill()
        wait_until(lambda: found.status() == psutil.STATUS_ZOMBIE, 10)
        with pytest.raises(NotRunning, match="ended just now"):
            management._agent_jar(found)  # noqa: SLF001 - it is asked wherever beans are
