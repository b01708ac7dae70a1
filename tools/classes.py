"""Compile our own classes for a Cassandra node, with the compiler among Cassandra's jars.

`python tools/classes.py` writes them beside their sources: users have no compiler.
"""

import subprocess
import tempfile
import threading
from pathlib import Path

from myriad.engines.cassandra.nodes import jars, java

FOLDER = Path(__file__).resolve().parents[1] / "src" / "myriad" / "engines" / "cassandra" / "nodes"
COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"


def compiled() -> dict[str, bytes]:
    """Return each class by its file's name: the same bytes with every Java."""
    programs = jars.find("", lambda _done, _total: None, threading.Event())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        program = java.find("", place, None).program
        options = ("-nowarn", "-source", "11", "-target", "11", "-d", folder)
        needed = ("-cp", str(programs.path(jars.MAIN)))
        # It ends before the second compiler is worth its time.
        compiler = ("-XX:TieredStopAtLevel=1", "-cp", str(programs.path("ecj")), COMPILER)
        command = [str(program), *compiler, *options, *needed]
        subprocess.run([*command, *map(str, FOLDER.glob("*.java"))], check=True)
        return {path.name: path.read_bytes() for path in (place / "myriad").iterdir()}


if __name__ == "__main__":
    for name, content in compiled().items():
        (FOLDER / name).write_bytes(content)
