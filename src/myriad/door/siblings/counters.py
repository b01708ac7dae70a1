"""What the door's processes count together, in memory that all of them map.

Each cell is written by one process, so statements wait for no lock: who wants more writes that
first, reads what the others have written, and takes it back if it is too much together. Only who
gets which place in the table of people is decided under a lock, which ends with its holder.

`up` makes the memory and keeps it; it empties what a process has written that has ended.
"""

import fcntl
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from myriad.pgwire.numbers import MOST_PROCESSES, process_of

CELL = 8  # bytes
COMMON = 8 + MOST_PROCESSES  # cells that are about the audit: see `control.audit_tables`
MEASURES = 80  # cells of one process
# Cells of one process: whether it is there, its sessions, its logins, and that it goes on.
HERE = 8
PRESENT, CLIENTS, LOGINS, BEATS = range(4)
# Of a person, in one process: sessions, server connections, those that stay with a session, bytes
# of long messages, and since when, in nanoseconds, somebody waits for what they do elsewhere.
SESSIONS, RUNNING, PINNED, HELD, WAITING = range(5)
PERSON = 5
# Of a session: its number, its person, and the process of the server that serves it.
NUMBER, WHOSE, SERVER = range(3)
SESSION = 3
# Of a process of the server: its number, and the session that did last what may notify others.
SPEAKER, SPOKE, FOR = range(3)
SERVERS, SERVED = 1024, 3
# A person's place is found by a hash. Half of all are free, so a whole row never is taken.
ROW = 128
SPREAD = 2_654_435_761  # Knuth's: oids that follow each other lie far apart
LOCK_SECONDS, LOCK_PAUSE = 1.0, 0.0005
# Who waits is written anew ten times a second. A process that hangs must hold nobody up.
LONGEST_WAITING = 2_000_000_000  # nanoseconds
PEOPLE_LOCK, AUDIT_LOCK = 0, 1  # bytes of the file that are locked


class Layout:
    """Where each cell is, for so many processes and clients."""

    __slots__ = ("columns", "people", "servers_begin", "sessions", "sessions_begin", "size")

    def __init__(self, processes: int, clients: int) -> None:
        self.people = self.sessions = 2 * clients
        self.sessions_begin = MEASURES + HERE + (self.people + ROW) * PERSON
        self.servers_begin = self.sessions_begin + self.sessions * SESSION
        column = _whole_pages(self.servers_begin + SERVERS * SERVED)
        first = _whole_pages(COMMON + self.people + ROW)
        self.columns = [first + number * column for number in range(processes)]
        self.size = (first + processes * column) * CELL


def _whole_pages(cells: int) -> int:
    in_one = mmap.PAGESIZE // CELL
    return -(-cells // in_one) * in_one


def create(processes: int, clients: int) -> int:
    """Return the file of a new memory, which nobody else can open; raises OSError."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("myriad-door")
    else:
        with tempfile.TemporaryFile() as opened:
            file = os.dup(opened.fileno())
    os.ftruncate(file, Layout(processes, clients).size)
    return file


def _nobody(_process: int) -> None:
    """Wake nobody: there is no other process."""


class Counters:
    """All cells, written by the process with that number; `wake` lets another one look again."""

    def __init__(self, file: int, processes: int, clients: int, process: int = 0) -> None:
        layout = Layout(processes, clients)
        self._file, self._layout = file, layout
        self._map = mmap.mmap(file, layout.size)
        self.cells = memoryview(self._map).cast("q")
        self._measures = memoryview(self._map).cast("d")
        self.process, self.processes = process, processes
        self.wake: Callable[[int], None] = _nobody
        self._mine = layout.columns[process]
        self._others = tuple(each for each in layout.columns if each != self._mine)

    # Clients, and what is measured

    def note(self, what: int, number: int) -> None:
        """Write how many clients or logins are here; or that this process takes clients."""
        self.cells[self._mine + MEASURES + what] = number

    def beat(self) -> None:
        """Show that this process goes on."""
        self.cells[self._mine + MEASURES + BEATS] += 1

    def beats(self, process: int) -> int:
        """Return how often a process has shown that it goes on."""
        return self.cells[self._layout.columns[process] + MEASURES + BEATS]

    def clients(self) -> int:
        """Return how many clients there are in all processes, who log in counted."""
        return self._clients_of(self._mine) + sum(map(self._clients_of, self._others))

    def shares(self) -> tuple[int, list[int]]:
        """Return how many clients are here, and in each other process that takes any."""
        there = (each for each in self._others if self.cells[each + MEASURES + PRESENT])
        return self._clients_of(self._mine), list(map(self._clients_of, there))

    def _clients_of(self, column: int) -> int:
        begin = column + MEASURES
        return self.cells[begin + CLIENTS] + self.cells[begin + LOGINS]

    def sums(self, measured: Sequence[float]) -> list[float]:
        """Write what was measured here; return the sums of what was in all processes."""
        if len(measured) > MEASURES:
            raise ValueError(f"{len(measured)} measures, more than {MEASURES}")
        for at, value in enumerate(measured):
            self._measures[self._mine + at] = value
        columns = self._layout.columns
        return [sum(self._measures[each + at] for each in columns) for at in range(len(measured))]

    # People

    def enter(self, person: int) -> "Place":
        """Return the place of a person, by their oid, with a first session; raises TimeoutError."""
        with self.lock(PEOPLE_LOCK):
            at = self._place(person)
            self.cells[COMMON + at] = person
            begin = MEASURES + HERE + at * PERSON
            mine, others = self._mine + begin, tuple(each + begin for each in self._others)
            self.cells[mine + SESSIONS] = 1
        return Place(self.cells, mine, others, self._wake)

    def _wake(self, other: int) -> None:
        self.wake(other + (other >= self.process))

    def _place(self, person: int) -> int:
        first = person * SPREAD % self._layout.people
        row = self.cells[COMMON + first : COMMON + first + ROW].tolist()
        if person in row:
            return first + row.index(person)
        for at, taken in enumerate(row, first):
            if not taken or self._is_free(at):
                return at
        raise TimeoutError("no place for one more person")

    def _is_free(self, at: int) -> bool:
        begin = MEASURES + HERE + at * PERSON + SESSIONS
        return not any(self.cells[each + begin] for each in self._layout.columns)

    # Sessions

    def _session(self, number: int) -> int:
        layout = self._layout
        begin = layout.columns[process_of(number)] + layout.sessions_begin
        return begin + number % layout.sessions * SESSION

    def may_have(self, number: int) -> bool:
        """Say whether a new session here can get that number."""
        return not self.cells[self._session(number) + NUMBER]

    def begin_session(self, number: int, person: int) -> None:
        """Write down a session, and its person's oid."""
        at = self._session(number)
        self.cells[at + WHOSE], self.cells[at + SERVER] = person, 0
        self.cells[at + NUMBER] = number

    def serve(self, number: int, server: int) -> None:
        """Write down which process of the server serves a session now, 0 for none."""
        self.cells[self._session(number) + SERVER] = server

    def end_session(self, number: int) -> None:
        """Forget a session."""
        self.cells[self._session(number) + NUMBER] = 0

    def server_of(self, number: int, person: int) -> int | None:
        """Return which process serves a person's session now; None if they have no such session."""
        if not 0 <= process_of(number) < self.processes:
            return None
        at = self._session(number)
        theirs = self.cells[at + NUMBER] == number and self.cells[at + WHOSE] == person
        return self.cells[at + SERVER] if theirs else None

    def speak(self, server: int, number: int, person: int) -> None:
        """Write down which session does what may notify others, in which process of the server."""
        at = self._mine + self._layout.servers_begin + server % SERVERS * SERVED
        self.cells[at + SPOKE], self.cells[at + FOR] = number, person
        self.cells[at + SPEAKER] = server

    def speaker(self, server: int, person: int) -> int:
        """Return a person's session in another process that did so last; 0 if there is none."""
        for column in self._others:
            at = column + self._layout.servers_begin + server % SERVERS * SERVED
            if self.cells[at + SPEAKER] == server and self.cells[at + FOR] == person:
                return self.cells[at + SPOKE]
        return 0

    # From outside

    def reset(self) -> None:
        """Forget everything: no process is left."""
        for process in range(self.processes):
            self.empty(process)
        for at in range(COMMON):
            self.cells[at] = 0

    def empty(self, process: int) -> None:
        """Forget what a process has written; it has ended."""
        columns = self._layout.columns
        begin, end = columns[process] * CELL, self._layout.size
        if process + 1 < len(columns):
            end = columns[process + 1] * CELL
        if hasattr(mmap, "MADV_REMOVE"):  # gives it back, too
            self._map.madvise(mmap.MADV_REMOVE, begin, end - begin)
        else:
            self._map[begin:end] = bytes(end - begin)

    # Alone

    @contextmanager
    def lock(self, which: int) -> Iterator[None]:
        """Be the only process that does something, for a moment; raises TimeoutError."""
        deadline = time.monotonic() + LOCK_SECONDS
        while not self.try_lock(which):
            if time.monotonic() > deadline:
                raise TimeoutError("another process of the door does not go on")
            time.sleep(LOCK_PAUSE)
        try:
            yield
        finally:
            self.unlock(which)

    def try_lock(self, which: int) -> bool:
        """Say whether this process alone does something now; it unlocks then, or ends."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, which)
        except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN, or EACCES
            return False
        return True

    def unlock(self, which: int) -> None:
        """Let others do it."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, which)


class Place:
    """What is counted of one person: `mine` is where this process writes, `others` where others do.

    A place of its own, without any memory, is one in which nobody else counts.

    Attributes:
        alone: there is no other process, so nobody needs to know how many server connections there
            are here.
    """

    __slots__ = ("_cells", "_mine", "_others", "_wake", "alone")

    def __init__(
        self,
        cells: "memoryview[int] | None" = None,
        mine: int = 0,
        others: tuple[int, ...] = (),
        wake: Callable[[int], None] = _nobody,
    ) -> None:
        self._cells = cells if cells is not None else memoryview(bytearray(PERSON * CELL)).cast("q")
        self._mine, self._others, self._wake = mine, others, wake
        self.alone = not others

    def write(self, what: int, number: int) -> None:
        """Write how many there are here."""
        self._cells[self._mine + what] = number

    def elsewhere(self, what: int) -> int:
        """Return how many there are in the other processes."""
        cells = self._cells
        return sum([cells[each + what] for each in self._others])

    def begin(self, number: int, most: float) -> bool:
        """Write that so many server connections are theirs here, if that is not too many in all.

        Who waits longer in another process comes first; False: the caller waits, too.
        """
        cells, mine = self._cells, self._mine
        cells[mine + RUNNING] = total = number
        since = cells[mine + WAITING]
        before = False
        for each in self._others:
            total += cells[each + RUNNING]
            if waits := cells[each + WAITING]:
                first = not since or waits < since
                before = before or (first and _now() - waits < LONGEST_WAITING)
        if total <= most and not before:
            if since:
                cells[mine + WAITING] = 0
            return True
        cells[mine + RUNNING] = number - 1
        cells[mine + WAITING] = since or _now()
        return False

    def wait_no_more(self) -> None:
        """Note that nobody waits here for what this person does elsewhere."""
        self._cells[self._mine + WAITING] = 0

    def end(self, number: int) -> None:
        """Write that so many server connections are theirs here still; wake who waits longest."""
        cells = self._cells
        cells[self._mine + RUNNING] = number
        for each in self._others:
            if cells[each + WAITING]:
                waiting = [(cells[each + WAITING], at) for at, each in enumerate(self._others)]
                self._wake(min((since or _now(), at) for since, at in waiting)[1])
                return

    def is_first_here(self, process: int) -> bool:
        """Say whether no process with a lower number has sessions of this person."""
        return not any(self._cells[each + SESSIONS] for each in self._others[:process])


def _now() -> int:
    return time.monotonic_ns()
