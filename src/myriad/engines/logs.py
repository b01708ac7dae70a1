"""Log files: their last lines, and a bound on their size."""

import shutil
from pathlib import Path

LIMIT = 16 * 1024 * 1024  # bytes; with the one old file twice that is kept
TAIL = 256 * 1024  # bytes read from the end to find the last lines


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log, none if there is no log yet."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = file.seek(max(0, size - max(TAIL, lines * 200)))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    found = text.splitlines()
    if start:
        found = found[1:]  # cut in the middle
    return found[-lines:] if lines > 0 else []


def bound(path: Path, limit: int = LIMIT) -> None:
    """Move a log's content to `<name>.1` once it is too big; whoever appends to it just goes on."""
    if not path.exists() or path.stat().st_size < limit:
        return
    old = path.with_name(path.name + ".1")
    shutil.copyfile(path, old)
    old.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(0)
