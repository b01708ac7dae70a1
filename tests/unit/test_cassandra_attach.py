"""Agents go into the Java that is meant, and into no other process."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from myriad.engines.cassandra.nodes import attach

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Java's own way is taken")


def test_a_process_that_listens_in_the_place_of_a_java_is_told_nothing() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as java,
        socket.socket(socket.AF_UNIX) as stranger,
    ):
        path = Path("/tmp", f".java_pid{java.pid}")
        stranger.bind(str(path))
        try:
            stranger.listen()
            with pytest.raises(attach.NotThere, match=f"listens there, not {java.pid}"):
                attach.load(java.pid, "agent.jar", "password=secret")
            told, _ = stranger.accept()
            assert told.recv(1) == b""
            told.close()
        finally:
            path.unlink()
            java.kill()


def test_a_process_that_does_not_listen_is_no_java() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as java:
        try:
            with pytest.raises(attach.NotThere):
                attach.jolokia(java.pid)
        finally:
            java.kill()
