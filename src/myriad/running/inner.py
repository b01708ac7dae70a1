"""The inner socket: where programs of ours, such as the HTTP server, reach the door for people."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from myriad.errors import StartFailed
from myriad.home.home import Home
from myriad.machine import process

BACKLOG = 8192


def path(home: Home) -> Path:
    """Return where it is.

    As root its folder is PostgreSQL's user's. Whoever connects makes sure that the other side runs
    as the user of `up`, as the door does the other way round.
    """
    return home.socket_folder() / "inner.sock"


@contextmanager
def listen(home: Home) -> Iterator[socket.socket]:
    """Listen there, for our own user only; the caller holds the home.

    Raises StartFailed, HomeError.
    """
    place = path(home)
    listening = socket.socket(socket.AF_UNIX)
    try:
        _bind(home, listening, place)
        yield listening
    finally:
        listening.close()
        place.unlink(missing_ok=True)
        with suppress(OSError):  # PostgreSQL's are in it, or it was never made
            place.parent.rmdir()


def _bind(home: Home, listening: socket.socket, place: Path) -> None:
    try:
        engine = process.engine_user(home.postgres)
        home.make_socket_folder(*([engine.uid] if engine else ()))
        place.unlink(missing_ok=True)  # of an `up` that was killed: nobody else holds this home
        listening.bind(str(place))
        place.chmod(0o600)  # nobody can connect before it listens
        listening.listen(BACKLOG)
    except OSError as error:
        raise StartFailed(
            f"cannot listen at {place}: {error.strerror}",
            hint="The home's folder `run` must be ours; see that no other program uses it.",
        ) from error
