"""A Java for the nodes of tests, which live for minutes: it takes half the time."""

from pathlib import Path

from myriad.engines.cassandra.nodes import java
from myriad.machine import process

# Code that runs for minutes is not worth the second compiler, which takes more than it gives back.
QUICK = "-XX:TieredStopAtLevel=1"


def make(folder: Path, *flags: str) -> Path:
    """Make a Java in a new `folder`, that is started with these flags too; return the folder."""
    folder.mkdir(mode=0o755)
    found = java.find("", folder / "programs", process.engine_user(folder))
    (folder / "release").write_text(f'JAVA_VERSION="{found.version}"\n')
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {found.program} {" ".join((QUICK, *flags))} "$@"\n')
    for path in (program.parent, program):
        path.chmod(0o755)
    return folder
