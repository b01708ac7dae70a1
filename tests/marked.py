"""What tests of versions in Cassandra share: a table of rows with a mark, and going back."""

from pathlib import Path
from typing import Any

from tests.keyspaces import Space


def file(space: Space, mark: str, rows: int = 30, first: int = 0) -> Path:
    """Write rows, all with that mark."""
    lines = (f"p{n % 5},{n},{mark}\n" for n in range(first, first + rows))
    return space.write("t.csv", "part,n,mark\n" + "".join(lines))


def marks(space: Space) -> dict[str, int]:
    """Return how many rows have which mark."""
    found = [mark for (mark,) in space.ask("SELECT mark FROM {}.t")]
    return {mark: found.count(mark) for mark in set(found)}


def undo(space: Space, to: int | None = None, **options: Any) -> dict[str, Any]:
    """Go back with that table; return what is told of it."""
    one: dict[str, Any]
    [one] = space.installation.undo(f"{space.dataset}.t", to, **options)["tables"]
    return one
