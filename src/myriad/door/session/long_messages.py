"""Room for what is held of long messages: counted as it comes."""

from collections.abc import Callable
from typing import Protocol


class Holder(Protocol):
    """A person, for whom bytes are held."""

    def hold(self, more: int) -> int:
        """Count so many bytes more, or less, that are held; return those in all processes."""


class Room:
    """Counts the bytes of long messages, of each person and of all; `full` is to make room.

    Attributes:
        bytes: of all.
        most_of_one, most_of_all: how many there may be; of one, in all processes of the door.
    """

    def __init__(
        self,
        most_of_one: int,
        most_of_all: int,
        full: Callable[[], None],
        came: Callable[[int], None],
    ) -> None:
        self.bytes = 0
        self.most_of_one, self.most_of_all = most_of_one, most_of_all
        self._full, self._came = full, came

    def change(self, holder: Holder, more: int) -> None:
        """Count so many bytes more, or less, of a person."""
        theirs = holder.hold(more)
        self.bytes += more
        if more > 0:
            self._came(self.bytes)
            if theirs > self.most_of_one or self.bytes > self.most_of_all:
                self._full()
