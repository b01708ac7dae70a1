"""The peers of the loader: cqlsh's COPY (PyPI) and DSBulk (Maven), as people run them."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Dependency, MavenContext, PythonResolver

from benchmarks import measure
from benchmarks.inputs import FOLDER, Input
from myriad.cql.connection import Endpoint
from myriad.cql.names import qualified, quoted

DSBULK = "1.10.0"
GROUP = "com.datastax.oss"
PARTS = (
    "dsbulk-runner",
    "dsbulk-connectors-csv",
    "dsbulk-workflow-load",
    "dsbulk-executor-reactor",
    "dsbulk-batcher-reactor",
    "dsbulk-codecs-text",
)
MAIN = "com.datastax.oss.dsbulk.runner.DataStaxBulkLoader"


def fetch() -> None:
    """Have all that the peers need, before anything is measured; ends the process if it lacks."""
    for program in ("java", str(Path(sys.executable).parent / "cqlsh")):
        if shutil.which(program) is None:
            sys.exit(f"there is no {program}, which the peers need")
    _jars()


def columns(source: Input) -> list[str]:
    """Return the names of a file's columns."""
    with source.path.open(encoding="utf-8") as file:
        return file.readline().strip().split(",")


def cqlsh(endpoint: Endpoint, keyspace: str, table: str, source: Input) -> measure.Run:
    """Load a file with COPY, which runs a process for each core but one."""
    names = ", ".join(map(quoted, columns(source)))
    options = f"HEADER = true AND ERRFILE = '{FOLDER / 'cqlsh.err'}'"
    copy = f"COPY {qualified(keyspace, table)} ({names}) FROM '{source.path}' WITH {options}"
    login = ["-u", endpoint.user, "-p", endpoint.password]
    program = str(Path(sys.executable).parent / "cqlsh")
    command = [program, *login, "-e", copy, endpoint.hosts[0], str(endpoint.port)]
    return measure.run(command)


def dsbulk(endpoint: Endpoint, keyspace: str, table: str, source: Input) -> measure.Run:
    """Load a file with DSBulk, as it is set up by itself."""
    options = {
        "-h": endpoint.hosts[0],
        "-port": str(endpoint.port),
        "-u": endpoint.user,
        "-p": endpoint.password,
        "-k": keyspace,
        "-t": table,
        "-url": str(source.path),
        "-header": "true",
        "-logDir": str(FOLDER / "dsbulk-logs"),
    }
    given = [part for option in options.items() for part in option]
    java = shutil.which("java") or sys.exit("DSBulk needs a java on the PATH")
    found = measure.run([java, "-cp", f"{_jars()}/*", MAIN, "load", *given])
    shutil.rmtree(FOLDER / "dsbulk-logs", ignore_errors=True)
    return found


def _jars() -> Path:
    """Return the folder of DSBulk's jars; they are fetched once, which takes some minutes."""
    folder = FOLDER / f"dsbulk-{DSBULK}"
    if folder.exists():
        return folder
    context = MavenContext(repo_cache=FOLDER / "maven")
    wanted = [context.project(GROUP, part).at_version(DSBULK).artifact() for part in PARTS]
    needed = [Dependency(artifact, scope="compile") for artifact in wanted]
    _, found = PythonResolver().get_dependency_list(needed)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda node: node.dep.artifact.resolve(), found))
        paths += pool.map(lambda artifact: artifact.resolve(), wanted)
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for path in paths:
        shutil.copy(path, unfinished)
    unfinished.rename(folder)
    return folder
