"""Log files: their ends and their bound."""

import threading
from pathlib import Path
from typing import TextIO

from myriad.machine import logs
from tests.harness import wait_until


def test_the_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert logs.tail(tmp_path / "none", 5) == []


def test_the_tail_is_the_last_lines_however_big_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {n}\n" for n in range(100_000)))
    assert logs.tail(path, 2) == ["line 99998", "line 99999"]
    assert logs.tail(path, 0) == []
    assert len(logs.tail(path, 200_000)) == 100_000


def test_a_big_log_moves_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as writer:
        writer.write(b"old\n" * 100)
        writer.flush()
        logs.bound(path, limit=1000)
        assert path.stat().st_size == 400
        logs.bound(path, limit=100)
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "log.1").read_bytes() == b"old\n" * 100


def _wrote_more(writer: TextIO) -> bool:
    writer.write("more\n")
    writer.flush()
    return True


def test_following_yields_whole_lines_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    seen: list[str] = []

    def read() -> None:
        for line in logs.follow(path, pause=0.01):
            seen.append(line)
            if line == "last":
                return

    reader = threading.Thread(target=read)
    reader.start()
    with path.open("a") as writer:
        # The reader begins at the end of what it finds: write until it has found something.
        wait_until(lambda: _wrote_more(writer) and seen)
        writer.write("la")
        writer.flush()
        writer.write("st\n")
    reader.join(5)
    assert seen[-1] == "last"
    assert set(seen[:-1]) == {"more"}
