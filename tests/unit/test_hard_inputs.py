"""Inputs that people reported to other programs: each becomes what they expected of it.

A new one is a `Case` in one of the tables: `tests/hard_*.py`.
"""

from pathlib import Path

import pytest

from myriad.errors import SourceError
from tests import hard_files, hard_records, hard_texts
from tests.hard_case import Case, outcome, shown

CASES: dict[str, Case] = {
    **hard_texts.DIALECTS,
    **hard_texts.VALUES,
    **hard_texts.ENCODINGS,
    **hard_records.HEADERS,
    **hard_records.PACKED,
    **hard_records.DOCUMENTS,
    **hard_files.DATABASES,
    **hard_files.COLUMNS,
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hard_input_becomes_what_people_expect(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    if case.error:
        with pytest.raises(SourceError, match=case.error) as caught:
            outcome(path)
        assert caught.value.hint
        return
    found = outcome(path)
    assert found.tables.keys() == case.tables.keys()
    for table, rows in case.tables.items():
        assert shown(found.tables[table]) == shown(rows)
    assert (found.rejects, found.aside) == (case.rejects, case.aside)
    assert [note for note in case.notes if note not in found.notes] == []
    assert case.named in {"", found.named}
