"""The one error tree: every error says what happened and what to do about it.

MyriadError
├── UsageError            the command or call makes no sense (exit code 2)
├── SettingsError         a setting is unknown or has a bad value
├── HomeError             the home cannot be used
│   └── HomeLocked        somebody else has it
├── TooNew                what is there was written by a newer Myriad
├── NotOurs               somebody else has made what goes by our name
├── EngineError           a database program
│   ├── ProgramMissing    not found in any of the places looked
│   ├── StartFailed       did not become ready
│   ├── NotRunning        nothing to talk to
│   ├── CqlError          Cassandra refused or failed a statement
│   └── Unsupported       this engine cannot do that, and why
├── SourceError           what is published cannot be read
│   ├── NoTable           it is something else, such as a page or a message
│   └── SourceEmpty       there is nothing in it
├── PublishError          what was read cannot be loaded
│   ├── KeyRefused        the key is not unique, or has nulls
│   ├── ContractRefused   the table that is there would change for the worse
│   ├── TooManyRejects    more records did not fit than allowed
│   ├── SchemaRefused     the table that is there does not fit
│   ├── SwapBlocked       somebody holds the old table
│   ├── WouldBeLost       nothing would be kept of what is shown
│   └── HalfPublished     one part is shown, and the rest is not yet
└── PeopleError           people, groups and grants
    └── LossRefused       a list of people would take too much from too many
"""

from collections.abc import Mapping, Sequence
from typing import Any


class MyriadError(Exception):
    """An error meant for a person.

    Attributes:
        message: what happened and what was looked at.
        hint: what to do about it.
        retryable: whether the same call may succeed later without a change.
        exit_code: of the command that it ends.
        details: what programs want to know besides, as plain data.
    """

    retryable = False
    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = {}


class UsageError(MyriadError):
    """The command or call makes no sense."""

    exit_code = 2


class SettingsError(MyriadError):
    """A setting is unknown or has a bad value; the message names file and line."""

    exit_code = 2


class HomeError(MyriadError):
    """The home cannot be used."""


class HomeLocked(HomeError):
    """Another process holds the home."""

    retryable = True


class TooNew(MyriadError):
    """What is there was written by a newer Myriad, which this one does not understand."""


class NotOurs(MyriadError):
    """Somebody else has made what goes by our name; we do not touch it."""


class EngineError(MyriadError):
    """A database program failed."""


class ProgramMissing(EngineError):
    """A program was found in none of the places looked."""


class StartFailed(EngineError):
    """An engine did not become ready."""


class NotRunning(EngineError):
    """There is no engine to talk to."""

    retryable = True


class CqlError(EngineError):
    """Cassandra refused or failed a statement.

    Attributes:
        code: of the native protocol (`native_protocol_v4.spec`, section 9), such as 0x2200.
    """

    UNAVAILABLE, OVERLOADED, BOOTSTRAPPING = 0x1000, 0x1001, 0x1002
    WRITE_TIMEOUT, READ_TIMEOUT = 0x1100, 0x1200
    BAD_CREDENTIALS, SYNTAX, UNAUTHORIZED, INVALID = 0x0100, 0x2000, 0x2100, 0x2200
    ALREADY_EXISTS, UNPREPARED = 0x2400, 0x2500

    def __init__(self, message: str, *, code: int, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        passing = (self.UNAVAILABLE, self.OVERLOADED, self.BOOTSTRAPPING)
        self.retryable = code in (*passing, self.WRITE_TIMEOUT, self.READ_TIMEOUT)


class Unsupported(EngineError):
    """This engine cannot do that; the message says why."""


class SourceError(MyriadError):
    """A source cannot be read."""


class NoTable(SourceError):
    """A text is something else than a table, such as a page or a message."""


class SourceEmpty(SourceError):
    """There is nothing in a source, not even the names of columns; `found` says how it looks."""

    def __init__(self, origin: str, found: str = "the file is empty") -> None:
        super().__init__(
            f"{origin}: {found}",
            hint="There is nothing to publish: see whether what writes it has ended well.",
        )


class PublishError(MyriadError):
    """A source was read but cannot be loaded; the old table stays."""


class KeyRefused(PublishError):
    """A key is not unique or has nulls; the message shows the first offenders."""


class ContractRefused(PublishError):
    """A table would change as its contract does not allow.

    Attributes:
        differences: each as plain data: table, change, text, examples.
    """

    exit_code = 4

    def __init__(
        self, message: str, *, hint: str, differences: Sequence[Mapping[str, object]]
    ) -> None:
        super().__init__(message, hint=hint)
        self.details = {"differences": list(differences)}


class TooManyRejects(PublishError):
    """More records did not fit than `--max-rejects` allows.

    Attributes:
        rejects: the first of them.
    """

    rejects: Sequence[Any] = ()


class SchemaRefused(PublishError):
    """The table that is there, or what depends on it, does not fit the new one."""


class SwapBlocked(PublishError):
    """Somebody held the old table for longer than we wait."""

    retryable = True


class WouldBeLost(PublishError):
    """What a table shows could not be had back; nothing was changed."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"what {table} shows now is not kept, by the settings `versions`, `versions_megabytes`"
            " and `versions_disk_percent`: it would be gone for good",
            hint="Nothing was changed. Say it with --yes, or raise the settings.",
        )


class HalfPublished(PublishError):
    """A part of what was published is shown, and the rest is not yet; the message says which."""

    retryable = True
    exit_code = 6


class PeopleError(MyriadError):
    """People, groups or grants: not there, there already, or a bad name."""


class LossRefused(PeopleError):
    """A list of people would take accounts, groups or rights from too many of them.

    Attributes:
        losing: their names.
    """

    exit_code = 4

    def __init__(self, message: str, *, hint: str, losing: Sequence[str]) -> None:
        super().__init__(message, hint=hint)
        self.details = {"losing": list(losing)}
