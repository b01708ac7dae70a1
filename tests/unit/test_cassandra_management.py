"""The management beans of a node whose process has just begun."""

import subprocess
import sys

import psutil
import pytest

from myriad.engines.cassandra.nodes import management
from myriad.errors import NotRunning


def test_a_node_whose_process_is_no_java_yet_is_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with pytest.raises(NotRunning, match="starts"):
            management._agent_jar(psutil.Process(child.pid))  # noqa: SLF001 - beans ask it
        child.kill()
