"""What every command shares: `--home`, `--json`, `--quiet`, `--debug`, output and errors."""

import functools
import os
import re
import select
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import myriad
from myriad.cli.columns import echo, echo_json
from myriad.errors import EngineError, MyriadError, NotRunning, UsageError
from myriad.home.home import Home

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXIT_REJECTS = 3
EXIT_SOME = 5
# A command that names a table, in a hint or a report; it ends where the words around it go on.
_COMMANDS = "show|history|undo|diff|unpublish|rename|describe|recipe"
_NAMING = re.compile(
    rf"(?:(?<=`)|(?<=\()|(?<=: ))(myriad (?:{_COMMANDS}) )([^`()\n]+?)(?=`|\)|, or |$)",
    re.MULTILINE,
)
EXIT_DOWN = 3  # of `status`, as service managers have it
UNREAD = 141  # 128 + SIGPIPE
PIPED_WIDTH = 1000


@dataclass
class Session:
    """One run of a command: the installation it works on and how it speaks.

    Attributes:
        place: the `database` and `dataset` that were said, as far as they were.
    """

    folder: Path | None
    as_json: bool
    quiet: bool
    debug: bool
    place: Mapping[str, Any] = field(default_factory=dict)

    def open(self, **flags: object) -> "myriad.Myriad":
        """Open the installation; `flags` are settings given on the command line."""
        return myriad.open(self.folder, **flags)

    def open_running(self) -> "myriad.Myriad":
        """Open the installation, of those that a command may mean the one that is up."""
        if self.folder is None:
            self.folder = Home.that_runs().folder
        return self.open()

    def placed(self, text: str) -> str:
        """Return text in which commands look for tables where this one does."""

        def whole(found: re.Match[str]) -> str:
            command, names = found.groups()
            if dataset and re.fullmatch(r"[^\s.-]+", names.partition(" ")[0]):
                names = f"{shlex.quote(dataset)}.{names}"
            return command + names + (f" --database {shlex.quote(database)}" if database else "")

        database, dataset = (self.place.get(name) for name in ("database", "dataset"))
        return _NAMING.sub(whole, text) if database or dataset else text

    def say(self, text: str) -> None:
        """Tell a person something on standard error; silent with `--quiet` or `--json`."""
        if not (self.quiet or self.as_json):
            echo(self.placed(text), err=True)

    def warn(self, text: str) -> None:
        """Tell what a program has to know too; silent with `--quiet`."""
        if not self.quiet:
            text = self.placed(text)
            if self.as_json:
                echo_json({"warning": text}, err=True)
            else:
                echo(text, err=True)

    def done(self, data: object, text: str) -> None:
        """Tell what a command did that was to do something; silent with `--quiet`."""
        if self.as_json or not self.quiet:
            self.result(data, text)

    def result(self, data: object, text: str) -> None:
        """Print the command's answer: `data` for machines, `text` for people."""
        if self.as_json:
            echo_json(data)
        else:
            echo(self.placed(text))


def confirm(question: str) -> None:
    """Ask on standard error, and go on only after a yes; raises UsageError if nobody answers."""
    try:
        yes = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        echo("", err=True)
        raise UsageError(
            "nobody is there to answer that; nothing was changed", hint="Say it with --yes."
        ) from None
    if not yes:
        raise click.Abort


def console() -> "Console":
    """Return where tables are printed; what is piped is not cut at a terminal's width."""
    from rich.console import Console  # noqa: PLC0415 - most commands print no table

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


# What is to be done where a file that somebody named is not one.
_PATH_HINTS: dict[type[OSError], str] = {
    FileNotFoundError: "Check the path.",
    IsADirectoryError: "Name a file in it.",
    NotADirectoryError: "Check the path.",
    PermissionError: "Check the file's permissions; `myriad doctor` checks those of the home.",
}


def common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all have, and turn its errors into messages.

    `function` takes a Session first, then its own arguments and options.
    """

    @click.option("--home", type=click.Path(path_type=Path), help="Folder of the installation.")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @click.option("-q", "--quiet", is_flag=True, help="Print only what was asked for, and errors.")
    @click.option("--debug", is_flag=True, help="Show tracebacks.")
    @functools.wraps(function)
    def run(
        *arguments: Any,  # noqa: ANN401 - click passes what the command declares
        home: Path | None,
        as_json: bool,
        quiet: bool,
        debug: bool,
        **options: Any,  # noqa: ANN401
    ) -> None:
        session = Session(home, as_json, quiet, debug, options)
        try:
            function(session, *arguments, **options)
        except Exception as error:  # noqa: BLE001 - no traceback reaches a person
            sys.exit(_fail(session, error))
        except KeyboardInterrupt:
            echo("interrupted", err=True)
            sys.exit(INTERRUPTED)

    return run


def start_if_needed(session: Session, installation: "myriad.Myriad") -> bool:
    """Start the engine in the background where nothing is up; say whether that was needed."""
    from myriad.running import background  # noqa: PLC0415 - most commands start nothing

    background.await_other(installation.home)
    try:
        installation.server()
        return False
    except NotRunning:
        session.say(
            "Nothing is up: starting PostgreSQL in the background"
            f" (`myriad down{installation.home.option}` stops it)."
        )
        installation.up_detached()
        return True


def _fail(session: Session, error: Exception) -> int:
    if isinstance(error, (click.exceptions.Exit, click.ClickException, click.Abort)):
        raise error
    if _nobody_reads():
        return UNREAD
    if session.debug:
        traceback.print_exception(error)
    known = as_myriad_error(error)
    known.hint = session.placed(known.hint)
    if session.as_json:
        body: dict[str, object] = {
            "error": known.message,
            "hint": known.hint,
            "type": type(known).__name__,
        }
        body |= known.details
        echo_json(body, err=True)
    else:
        echo(f"error: {known.message}", err=True)
        if known.hint:
            echo(f"hint: {known.hint}", err=True)
    return known.exit_code


def _nobody_reads() -> bool:
    """Say whether the pipe that standard output goes to was closed, as `| head` does it.

    Nothing more is written then, not even what is left in buffers at the end.
    """
    try:
        output = sys.stdout.fileno()
        poll = select.poll()
        poll.register(output, 0)
        closed = any(events & select.POLLERR for _, events in poll.poll(0))
    except (OSError, ValueError):  # it is no file: of a test, or closed
        return False
    if closed:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, output)
        os.close(null)
    return closed


def as_myriad_error(error: Exception) -> MyriadError:
    """Return `error` as one with a hint, whatever it was."""
    import psycopg  # noqa: PLC0415 - whoever raised its errors has loaded it

    if isinstance(error, MyriadError):
        return error
    if isinstance(error, psycopg.OperationalError):
        return EngineError(
            f"PostgreSQL: {error}".strip(), hint="See `myriad status` and `myriad logs`."
        )
    if isinstance(error, psycopg.Error):
        return EngineError(
            f"PostgreSQL: {error}".strip(), hint=error.diag.message_hint or "See `myriad logs`."
        )
    if isinstance(error, OSError):
        return MyriadError(
            f"{error.filename or 'system'}: {error.strerror or error}",
            hint=_PATH_HINTS.get(type(error), "`myriad doctor` checks disk space and permissions."),
        )
    return MyriadError(
        f"{type(error).__name__}: {error}",
        hint="This is a defect of Myriad. Run again with --debug and report what it prints.",
    )


in_engine = click.option(
    "--engine",
    type=click.Choice(["postgres", "cassandra"]),
    help="Only there; without it in both, where the table is in both.",
)


def of_engine(table: Mapping[str, Any]) -> str:
    """Return what is said of the engine that a table is in, where it is not PostgreSQL."""
    return " in Cassandra" if table.get("engine") == "cassandra" else ""
