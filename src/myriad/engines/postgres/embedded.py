"""PostgreSQL that Myriad itself starts and stops."""

import locale
import logging
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from myriad.engines.postgres import configuration, databases, processes, programs
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.sweep import sweep
from myriad.errors import HomeError, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.machine import logs, process, resources
from myriad.settings import Settings

if TYPE_CHECKING:
    import subprocess

SUPERUSER = "myriad"
FIRST_BUILTIN_LOCALE = 17  # the version that brought the provider
CONNECT_TIMEOUT = 5  # seconds
# What it answers while it replays its log of changes after a crash; ending it would not help.
REPLAYING = "the database system is"

log = logging.getLogger("myriad.engines")


class EmbeddedPostgres:
    """A PostgreSQL in the home: made when first started, then started and stopped.

    `cancelled` ends a start early; it then raises StartFailed.
    """

    def __init__(
        self, home: Home, settings: Settings, cancelled: threading.Event | None = None
    ) -> None:
        self._home = home
        self._settings = settings
        self._cancelled = cancelled or threading.Event()
        self._data = home.postgres
        self._log = log_path(home)
        self._child: subprocess.Popen[bytes] | None = None
        self._user: process.EngineUser | None = None
        self._programs: programs.Programs | None = None

    def start(self) -> Server:
        """Make it ready; it listens on its Unix socket only.

        Raises ProgramMissing, HomeError, or StartFailed with the engine's own log lines.
        """
        self._home.create()
        processes.clear(self._data, grace=self._settings.stop_timeout)
        self._user = process.engine_user(self._data)
        found = self._find_programs()
        self._check_reach()
        if not self._data.exists():
            self._initialise(found)
        crashed = self._crashed(found)
        if crashed:
            log.info("PostgreSQL was not stopped cleanly: it replays its log of changes first")
        try:
            self._configure(found)
            server = self._launch(found)
            self._finish(server, crashed=crashed)
        except BaseException:
            self.stop()
            raise
        return server

    def stop(self) -> None:
        """Stop it: sessions are ended, what is committed is kept."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            processes.end([psutil.Process(child.pid)], grace=self._settings.stop_timeout)
        child.wait()
        with suppress(OSError):
            self._home.socket_folder().rmdir()  # it may lie outside the home

    def failure(self) -> str | None:
        """Return why it does not run any more, None while it does."""
        logs.bound(self._log)
        return process.why_down(self._child)

    def log_tail(self, lines: int) -> list[str]:
        """Return the last lines of PostgreSQL's log."""
        return logs.tail(self._log, lines)

    def describe(self) -> str:
        """Say which PostgreSQL this is and as whom it runs."""
        version = f"PostgreSQL {self._programs.version}" if self._programs else "PostgreSQL"
        return f"{version}, as user {self._user.name}" if self._user else version

    def _find_programs(self) -> programs.Programs:
        wanted = self._data_version()
        copies = self._home.folder / "programs"
        found = programs.find(self._settings.programs, copies, self._user, wanted)
        if wanted not in (None, found.major):
            raise StartFailed(
                f"the data in {self._data} is of PostgreSQL {wanted}; the programs found are"
                f" version {found.version} ({found.folder})",
                hint=f"Install PostgreSQL {wanted} and name its folder with the setting `programs`;"
                " or dump the data with it, and publish into a new home.",
            )
        self._programs = found
        return found

    def _data_version(self) -> int | None:
        if not self._data.exists():
            return None
        try:
            return int((self._data / "PG_VERSION").read_text())
        except (OSError, ValueError) as error:
            raise StartFailed(
                f"{self._data} is no data directory of PostgreSQL: {error}",
                hint="Restore it, or move it away: a new one is made then.",
            ) from error

    def _check_reach(self) -> None:
        closed = process.closed_to(self._user, self._home.folder)
        if closed and self._user:
            raise HomeError(
                f"PostgreSQL runs as user {self._user.name}, who may not pass {closed}"
                " on the way to the home",
                hint=f"Choose another home with --home, such as /var/lib/myriad, or open the way:"
                f" chmod o+x '{closed}'.",
            )

    def _make_folders(self) -> None:
        sockets = self._home.make_socket_folder(*([self._user.uid] if self._user else ()))
        self._hand_over(sockets)
        # No server runs on our data any more; the door's own socket may be in use.
        for stale in sockets.glob(f".s.PGSQL.{configuration.PORT}*"):
            stale.unlink()

    def _hand_over(self, path: Path) -> None:
        if self._user:
            os.chown(path, self._user.uid, self._user.gid, follow_symlinks=False)

    def _initialise(self, found: programs.Programs) -> None:
        """Make the data directory under another name first: it is there whole or not at all."""
        for old in self._home.folder.glob(".postgres-*"):
            shutil.rmtree(old)
        new = Path(tempfile.mkdtemp(dir=self._home.folder, prefix=".postgres-"))
        try:
            self._hand_over(new)
            code, said = process.run(
                [found.path("initdb"), *_initdb_options(found.major), "-D", new],
                self._user,
                timeout=self._settings.start_timeout * 4,  # writes 40 MB and flushes it
                cancelled=self._cancelled,
            )
            if code:
                raise StartFailed(
                    f"initdb failed:\n{_indented(said.splitlines()[-8:])}",
                    hint="`myriad doctor` checks disk space, locale and permissions.",
                )
            with (new / "postgresql.conf").open("a", encoding="utf-8") as file:
                file.write(
                    f"\n# What stands below this line overrules Myriad's choices.\n"
                    f"include = '{configuration.FILE}'\n"
                )
            new.rename(self._data)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _configure(self, found: programs.Programs) -> None:
        have = resources.measure(self._home.folder)
        sockets = self._home.socket_folder()
        chosen = configuration.values(self._settings, sockets, have)
        for name, text in (
            (configuration.FILE, configuration.render(chosen)),
            ("pg_hba.conf", configuration.hba(found.major)),
            ("pg_ident.conf", configuration.ident(process.own_name())),
        ):
            path = self._data / name
            write_private(path, text)
            self._hand_over(path)

    def _crashed(self, found: programs.Programs) -> bool:
        _, said = process.run([found.path("pg_controldata"), "-D", self._data], self._user)
        states = [line for line in said.splitlines() if line.startswith("Database cluster state:")]
        return not any(state.endswith(" shut down") for state in states)

    def _launch(self, found: programs.Programs) -> Server:
        self._make_folders()
        logs.bound(self._log)
        with self._log.open("ab") as log:
            begin = log.tell()
            self._child = process.spawn([found.path("postgres"), "-D", self._data], self._user, log)
        server = self._server(found)
        try:
            self._await_ready(server, begin)
        except BaseException:
            self.stop()
            raise
        return server

    def _server(self, found: programs.Programs) -> Server:
        sockets, port = str(self._home.socket_folder()), configuration.PORT
        dsn = make_conninfo(
            host=sockets,
            port=port,
            user=SUPERUSER,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="myriad",
            # Both are for people; indexes are built by sorting.
            options="-c temp_file_limit=-1 -c log_min_messages=warning",
        )
        return Server("embedded", dsn, sockets, port, found.major * 10000)

    def _await_ready(self, server: Server, begin: int) -> None:
        deadline = time.monotonic() + self._settings.start_timeout
        while True:
            try:
                server.connect(databases.MAINTENANCE).close()
            except psycopg.OperationalError as error:
                problem = self.failure() or self._late(deadline, error)
                if problem:
                    raise self._failed(problem, begin) from error
            else:
                return
            self._cancelled.wait(process.POLL)

    def _late(self, deadline: float, error: Exception) -> str | None:
        if self._cancelled.is_set():
            return "asked to stop while it started"
        if time.monotonic() > deadline and REPLAYING not in str(error):
            return f"not ready after {self._settings.start_timeout:g} seconds ({error})"
        return None

    def _failed(self, problem: str, begin: int) -> StartFailed:
        lines = logs.since(self._log, begin)[-12:]
        return StartFailed(
            f"PostgreSQL did not start: {problem}. Its log says:\n{_indented(lines)}",
            hint=f"The whole log: {self._log}. `myriad doctor` checks the machine.",
        )

    def _finish(self, server: Server, *, crashed: bool) -> None:
        try:
            databases.prepare(server, self._settings.database)
            if crashed:
                sweep(server, self._data)
        except psycopg.Error as error:
            raise StartFailed(
                f"PostgreSQL runs, but Myriad could not prepare it: {error}",
                hint="`myriad logs` shows more.",
            ) from error


def log_path(home: Home) -> Path:
    """Return the file that PostgreSQL's log goes to."""
    return home.logs / "postgres.log"


def _initdb_options(major: int) -> list[str]:
    options = [
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
        "--no-instructions",
        f"--locale={_machine_locale()}",
    ]
    if major >= FIRST_BUILTIN_LOCALE:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return options


def _machine_locale() -> str:
    """Return C.UTF-8 where the system has it, else C, which every system has."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines) or "  (nothing)"
