"""Drivers of other languages: where they come from, and programs that do what a test tells them."""

import os
import select
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

JDBC = "org.postgresql:postgresql:42.7.4"
NODE = ("pg@8", "pg-cursor@2", "pg-copy-streams@6")
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


def fetch_jdbc(folder: Path) -> Path:
    """Return PostgreSQL's JDBC driver, a jar."""
    if not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip("java and mvn are needed to have JDBC")
    get = f"-Dartifact={JDBC}", f"-DoutputDirectory={folder}"
    run("mvn", "-q", "-B", "dependency:copy", *get, folder=folder)
    [driver] = folder.glob("postgresql-*.jar")
    return driver


def fetch_node(folder: Path) -> Path:
    """Return a folder in which programs find node-postgres."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed to have node-postgres")
    run("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE, folder=folder)
    return folder


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
