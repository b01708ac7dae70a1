"""What is damaged, overwritten or has no name is refused, and the table stays as it was."""

import pytest

from myriad.errors import SourceError, TooManyRejects, UsageError
from myriad.publish.options import Options, Step
from myriad.sources.base import Changed
from tests.publishing import Place


@pytest.mark.parametrize("name", ["{}.csv", " .csv", "---.csv"])
def test_a_file_whose_name_names_no_table_wants_to_be_told_one(place: Place, name: str) -> None:
    path = place.write(name, "a,b\n1,2\n")
    with pytest.raises(UsageError, match="no table can be called after") as refused:
        place.publish(path)
    assert "--table" in refused.value.hint
    assert place.publish(path, table="t").rows == 1


def test_one_file_needs_no_list(place: Place) -> None:
    path = place.write("one.csv", "a,b\n1,2\n")
    report = place.installation.publish(str(path), Options(database=place.database))
    assert report.tables[0].rows == 1


def test_a_damaged_export_leaves_the_table_as_it_was(place: Place) -> None:
    path = place.write("t.csv", "a,b\n1,2\n3,4\n")
    place.publish(path, table="t")
    place.write("t.csv", '"a,b\n1,2\n3,4\n5,6\n')
    with pytest.raises(SourceError, match="the names of the columns cannot be made out"):
        place.publish(path, table="t", contract="free")
    place.write("t.csv", "a,b\n1,2\n3,,4,\n")
    with pytest.raises(TooManyRejects, match="4 fields where 2 are expected"):
        place.publish(path, table="t")
    assert sorted(place.ask("SELECT a, b FROM t")) == [(1, 2), (3, 4)]
    place.write("t.csv", '"a"x,b\n1,2\n3,4\n5,6\n')
    assert place.publish(path, table="t", contract="free").rows == 3


def test_a_file_overwritten_while_it_loads_leaves_the_table_as_it_was(place: Place) -> None:
    path = place.write("t.jsonl", '{"a":1}\n' * 20_000)
    place.publish(path, table="t")

    def overwrite(step: Step) -> None:
        if step.phase == "loading":
            place.write("t.jsonl", '{"a":2}\n' * 20_000)

    with pytest.raises(Changed, match="was written to while it was read"):
        place.publish(path, table="t", progress=overwrite)
    assert place.one("SELECT sum(a) FROM t") == 20_000
