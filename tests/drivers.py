"""Drivers of other languages: where they come from, and programs that do what a test tells them."""

import os
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

JDBC = ("org.postgresql", "postgresql", "42.7.4")
CASSANDRA = ("org.apache.cassandra", "java-driver-core", "4.19.0")
NODE = ("pg@8", "pg-cursor@2", "pg-copy-streams@6", "cassandra-driver@4")
PROJECT = """
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version>
<dependencies>{}</dependencies></project>"""
DEPENDENCY = """
<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"""
SECONDS = 150  # for what a program does; far more than it needs


def run(*arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it wrote."""
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fetched_java(factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the jars of Java's drivers for PostgreSQL and Cassandra."""
    if not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip("java and mvn are needed to have drivers of Java")
    return _made_once(factory, "java_drivers", _fetch_java)


def fetched_node(factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which programs find Node's drivers for PostgreSQL and Cassandra."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed to have drivers of Node")
    return _made_once(factory, "node_drivers", _fetch_node)


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first worker of a run makes, while others wait."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not made.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            made.touch()
    return folder


def _fetch_java(folder: Path) -> None:
    wanted = "".join(DEPENDENCY.format(*driver) for driver in (JDBC, CASSANDRA))
    (folder / "pom.xml").write_text(PROJECT.format(wanted))
    run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=.", folder=folder)


def _fetch_node(folder: Path) -> None:
    run("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE, folder=folder)


class Program:
    """A program that answers each line it is told, words between tabs, with one line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, *words: str) -> str:
        """Return its answer."""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write("\t".join(words) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        assert ready, words
        answer = process.stdout.readline()
        assert answer.endswith("\n"), words
        return answer[:-1]


@contextmanager
def started(*arguments: str | Path, folder: Path) -> Iterator[Program]:
    """Run a program beside; it ends with its standard input."""
    process = subprocess.Popen(
        arguments, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Program(process)
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()
