"""The process that reads one file of somebody else's: `python -m myriad.sources.apart`.

It gets its task as a line of JSON, answers with another, and ends with whoever started it.
"""

import contextlib
import importlib
import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any

from myriad.machine.libraries import load_less
from myriad.sources.apart.writing import Folder, Refused, TooMuch

MB = 1 << 20


def main() -> None:
    """Read the task, work under its limits, and answer."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    load_less()
    importlib.import_module(task["reader"])  # libraries take their memory before it is counted
    _limit(task)
    said = answer(task)
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(0)  # nothing of the libraries' own is worth tidying up


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Do a task: what its reader says, or the error that a person is told."""
    reader = importlib.import_module(task["reader"])
    folder = Folder(Path(task["folder"]), task["most"])
    try:
        made: dict[str, Any] = reader.read(Path(task["path"]), folder, task["options"])
        return made
    except Refused as error:
        return {"error": error.message, "hint": error.hint}
    except TooMuch:
        return {"limit": "bytes"}
    except MemoryError:
        return {"limit": "memory"}
    except OSError as error:
        return {"error": f"cannot be read: {error.strerror or error}", "hint": ""}
    except RecursionError:
        return {"error": "it is nested too deeply", "hint": ""}
    # What damaged files bring libraries to say is of any class; a panic of Rust's is no Exception.
    except BaseException as error:  # noqa: BLE001
        return {"error": f"cannot be read: {_first_line(error)}", "hint": ""}


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:300] or type(error).__name__


def _end_with_parent() -> None:
    """End when the pipe does that the parent holds: it was killed."""
    sys.stdin.buffer.read(1)
    os._exit(1)


def _limit(task: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, ValueError):  # macOS takes no limit of memory
        # Data alone: addresses that are taken and not used, such as an allocator's, cost nothing.
        used = int(Path("/proc/self/statm").read_text("ascii").split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + task["memory_mb"] * MB,) * 2)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (task["seconds"], task["seconds"] + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
