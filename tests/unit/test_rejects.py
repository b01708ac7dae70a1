"""The files of rejected records: kept for a time, and no longer."""

import os
import time
from pathlib import Path

import pytest

from myriad.errors import TooManyRejects
from myriad.model import Reject
from myriad.publish.rejects import KEEP_DAYS, Rejects


def test_files_of_rejects_go_when_they_are_old(tmp_path: Path) -> None:
    now = time.time()
    for name, days in (("old", KEEP_DAYS + 1), ("young", KEEP_DAYS - 1)):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("{}")
        os.utime(file, (now - days * 86_400,) * 2)
    rejects = Rejects(tmp_path / "new.jsonl", 1)
    assert rejects.save() is None
    rejects(Reject("t.csv", "t", 2, "x", "why"))
    assert rejects.save() == str(tmp_path / "new.jsonl")
    assert {file.stem for file in tmp_path.iterdir()} == {"young", "new"}


def test_a_record_that_two_engines_reject_counts_once(tmp_path: Path) -> None:
    both, one, other = (Reject("t.csv", "t", line, "x", "why") for line in (2, 3, 4))
    for kept, known, limit in (([both], [both], 1), ([one, both], [both, other], 3)):
        rejects = Rejects(tmp_path / "new.jsonl", limit, known)
        for reject in kept:
            rejects(reject)
        rejects.check()
    rejects = Rejects(tmp_path / "new.jsonl", 1, [other])
    rejects(one)
    with pytest.raises(TooManyRejects, match="2 records do not fit, 1 are allowed"):
        rejects.check()
