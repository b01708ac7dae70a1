"""CSV files that are wide or large, or whose types only a look at the whole file tells."""

import os
import signal
import time
from pathlib import Path

import pytest

from myriad.errors import MyriadError, PublishError
from myriad.publish.options import Step
from myriad.publish.postgres import copy, runs
from tests.publishing import Place, csv_checksums

PAD = "p" * 90  # 40,000 such lines are more than all samples that types are guessed from


def test_1600_columns_are_published(place: Place) -> None:
    line = ",".join(str(n % 10) for n in range(1600))
    names = ",".join(f"c{n}" for n in range(1600))
    place.publish(place.write("t.csv", f"{names}\n{line}\n{line}\n"))
    assert place.ask("SELECT count(*), sum(c9), sum(c1599) FROM t") == [(2, 18, 18)]


def test_1601_columns_are_refused(place: Place) -> None:
    names = ",".join(f"c{n}" for n in range(1601))
    with pytest.raises(PublishError, match="1,601 columns, PostgreSQL's tables have at most 1,600"):
        place.publish(place.write("t.csv", f"{names}\n"))


def test_a_record_wider_than_a_page_is_refused_in_words(place: Place) -> None:
    names = ",".join(f"c{n}" for n in range(1050))
    line = ",".join(str(10**15 + n) for n in range(1050))  # of 8 bytes each
    with pytest.raises(PublishError, match="row is too big"):
        place.publish(place.write("t.csv", f"{names}\n{line}\n"))
    assert place.relations() == set()


def _with_a_field(path: Path, megabytes: int) -> int:
    """Write two rows, one with a long text of many lines; return its length."""
    with path.open("wb") as file:
        file.write(b'id,t\n1,"')
        for _ in range(megabytes):
            file.write(b'line of text\n""q"" ' * 50_000)
        file.write(b'"\n2,x\n')
    return path.stat().st_size - len(b'id,t\n1,""\n2,x\n') - megabytes * 50_000 * 2


def test_a_field_of_many_megabytes_is_loaded(place: Place) -> None:
    length = _with_a_field(place.folder / "t.csv", 20)
    assert place.publish(place.folder / "t.csv").rows == 2
    assert place.ask("SELECT id, length(t) FROM t ORDER BY id") == [(1, length), (2, 1)]


@pytest.mark.nightly(
    daily="tests/unit/test_source_ceiling.py"
    "::test_very_many_of_anything_is_refused_below_the_ceiling"
)
def test_a_field_that_memory_does_not_hold_is_refused_in_words(place: Place) -> None:
    _with_a_field(place.folder / "t.csv", 25)
    with pytest.raises(MyriadError, match="line 2: the record has more than 19,660,800 bytes"):
        place.publish(place.folder / "t.csv")
    assert place.relations() == set()


def test_a_type_that_only_the_last_line_contradicts_is_widened(place: Place) -> None:
    lines = [f"{n},{n % 1000},{PAD}\n" for n in range(40_000)]
    path = place.write("t.csv", "id,v,pad\n" + "".join(lines) + f"40000,none,{PAD}\n")
    phases: list[str] = []

    def note(step: Step) -> None:
        if step.phase not in phases[-1:]:
            phases.append(step.phase)

    place.publish(path, progress=note)
    assert place.columns("t") == {"id": "bigint", "v": "text", "pad": "text"}
    assert place.checksums("t") == csv_checksums(path)


def test_a_type_that_only_the_middle_contradicts_is_proven_again(place: Place) -> None:
    lines = [f"{n},1,{PAD}\n" for n in range(40_000)]
    lines[14_001] = f"14001,99999999999999999999,{PAD}\n"
    path = place.write("t.csv", "id,v,pad\n" + "".join(lines))
    phases: list[str] = []
    place.publish(path, progress=lambda step: phases.append(step.phase))
    assert "proving types" in phases
    assert place.columns("t")["v"] == "numeric"
    assert place.checksums("t") == csv_checksums(path)


def test_ctrl_c_does_not_wait_for_a_server_that_takes_long_to_undo(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "UNDOING", 0.05)
    monkeypatch.setattr(runs, "INTERRUPTED_WAIT_MS", 50)
    path = place.write("t.csv", "n\n1\n")
    place.publish(path)
    path.write_text("n\n" + "2\n" * 100_000)
    stopped: list[int] = []

    def interrupt(step: Step) -> None:
        if step.phase == "loading" and not stopped:
            copying = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%%' AND datname = %s"
            stopped.append(place.one(copying, [place.database]))
            os.kill(stopped[0], signal.SIGSTOP)
            raise KeyboardInterrupt

    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            place.publish(path, progress=interrupt)
        took = time.monotonic() - began
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)
    assert took < 5  # the machine may be busy
    assert place.ask("SELECT n FROM t") == [(1,)]


def test_a_connection_that_is_gone_does_not_hide_ctrl_c(place: Place) -> None:
    with place.connect() as connection:
        connection.close()
        with pytest.raises(KeyboardInterrupt), copy._soon(connection):  # noqa: SLF001 - a race
            raise KeyboardInterrupt
