"""Cassandra's programs: jars named and hashed in `cassandra.lock`, fetched once for each user."""

import csv
import hashlib
import importlib.resources
import importlib.util
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from myriad.errors import ProgramMissing, StartFailed

LOCK = "cassandra.lock"
AT_ONCE = 8
TRIES = 3
MB = 1_000_000
MAIN = "cassandra-all"
AGENT = "jolokia-agent-jvm"  # is attached on demand, see `management`: not on the class path

# Told how many bytes of how many are there.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Jar:
    """One line of the lock: a Maven artifact, its SHA-256 and its size in bytes."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its file's name, as in a Maven repository."""
        tail = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{tail}.jar"

    def below(self, repository: Path) -> Path:
        """Return its place in a Maven repository."""
        folder = Path(*self.group.split("."), self.artifact, self.version)
        return repository / folder / self.name


@dataclass(frozen=True)
class Programs:
    """Cassandra's jars in one folder."""

    folder: Path
    version: str
    jars: tuple[Jar, ...]

    def class_path(self) -> str:
        """Return what `java -cp` takes."""
        return os.pathsep.join(
            str(self.folder / jar.name) for jar in self.jars if jar.artifact != AGENT
        )

    def path(self, artifact: str) -> Path:
        """Return the path of the jar of `artifact`."""
        return next(self.folder / jar.name for jar in self.jars if jar.artifact == artifact)


def locked() -> tuple[Jar, ...]:
    """Return the jars that the lock names."""
    text = importlib.resources.files(__package__ or "").joinpath(LOCK).read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple(
        Jar(
            row["group"],
            row["artifact"],
            row["version"],
            row["classifier"],
            row["sha256"],
            int(row["bytes"]),
        )
        for row in rows
    )


def cache(setting: str) -> Path:
    """Return where what was fetched is kept: the folder set, else the user's cache."""
    if setting:
        return Path(setting).expanduser().absolute()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/cache/myriad")  # the engine's user must be able to read it
    return Path(platformdirs.user_cache_dir("myriad"))


def cached(setting: str) -> tuple[int, int]:
    """Return how many jars are in the cache and right, and how many there are."""
    jars = locked()
    folder = cache(setting) / f"cassandra-{_version(jars)}"
    return sum(_is(folder / jar.name, jar) for jar in jars), len(jars)


def _version(jars: Iterable[Jar]) -> str:
    return next(jar.version for jar in jars if jar.artifact == MAIN)


def find(setting: str, progress: Progress, cancelled: threading.Event) -> Programs:
    """Return all jars, each checked by its hash; a missing one is taken from ~/.m2 or fetched.

    What an interrupted fetch brought stays: the next one goes on there. `cancelled` ends it.
    Raises ProgramMissing where nothing can be fetched, StartFailed if a jar does not come, or
    another than the lock says.
    """
    jars = locked()
    version = _version(jars)
    folder = cache(setting) / f"cassandra-{version}"
    _make(folder)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        good = pool.map(lambda jar: _is(folder / jar.name, jar), jars)
        missing = [jar for jar, there in zip(jars, good, strict=True) if not there]
    missing = [jar for jar in missing if not _taken_from_maven(jar, folder)]
    if missing:
        _fetch_all(missing, folder, progress, cancelled)
    return Programs(folder, version, jars)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ProgramMissing(
            f"cannot keep Cassandra's programs in {folder}: {error.strerror}",
            hint="Name another folder with the setting `cache`.",
        ) from error


def _is(path: Path, jar: Jar) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def _taken_from_maven(jar: Jar, folder: Path) -> bool:
    """Copy a jar that Maven fetched for this user before; say whether it was there and right."""
    source = jar.below(Path.home() / ".m2" / "repository")
    if not _is(source, jar):
        return False
    _place(source, folder / jar.name)
    return True


def _place(source: Path, target: Path) -> None:
    """Copy a file so that it is there whole or not at all, for everybody to read."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as new, source.open("rb") as file:
            shutil.copyfileobj(file, new)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _fetch_all(
    missing: Iterable[Jar], folder: Path, progress: Progress, cancelled: threading.Event
) -> None:
    some = sorted(missing, key=lambda jar: -jar.size)  # the longest first
    total, done = sum(jar.size for jar in some), 0
    if importlib.util.find_spec("jgo") is None:
        raise ProgramMissing(
            f"{len(some)} of Cassandra's jars ({total / MB:,.0f} MB) are neither in {folder} nor in"
            " ~/.m2, and the package that fetches them is not installed",
            hint="Install the extra `cassandra`: pip install 'myriad_db-….whl[cassandra]'.",
        )
    progress(0, total)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(_fetch, jar, folder, cancelled): jar for jar in some}
        try:
            for future in as_completed(running):
                future.result()
                done += running[future].size
                progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: Jar, folder: Path, cancelled: threading.Event) -> None:
    problem = ""
    for _ in range(TRIES):
        if cancelled.is_set():
            raise StartFailed(
                "asked to stop while Cassandra was fetched",
                hint="Run `myriad up` again: what was fetched is kept.",
            )
        with tempfile.TemporaryDirectory(prefix="myriad-jar-") as place:
            problem = _attempt(jar, Path(place), folder)
        if not problem:
            return
    raise StartFailed(
        f"{jar.name} cannot be had: {problem}",
        hint="Run it again: what was fetched stays. Without a network, bring the jars in"
        f" ~/.m2/repository or {folder} from a machine that has one.",
    )


def _attempt(jar: Jar, place: Path, folder: Path) -> str:
    """Fetch one jar; return what went wrong, empty if nothing did."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - only who fetches needs it

    component = MavenContext(repo_cache=place).project(jar.group, jar.artifact)
    try:
        path = component.at_version(jar.version).artifact(classifier=jar.classifier).resolve()
    except Exception as error:  # noqa: BLE001 - whatever the network and the library say
        return str(error)
    if not _is(path, jar):
        return "what came has another SHA-256 than cassandra.lock says"
    _place(path, folder / jar.name)
    return ""
