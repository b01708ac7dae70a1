import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from myriad.sources import formats
from tests.apart import notes, opened, stay_here, table, tables

ORDERS = """<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<shop xmlns="urn:x" xmlns:y="urn:y"><made>2024</made><orders>
 <order id="1"><who>Rose</who><total cur="EUR">12.50</total><item sku="a"/><item sku="b"/>
  <day>2024-01-02</day><zip>01234</zip><y:ok>true</y:ok></order>
 <order id="2"><who>Bo &amp; Co</who><total cur="EUR">3</total><item sku="c"/><zip>12345</zip>
  <note>Hello <b>you</b></note></order>
</orders></shop>"""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def written(folder: Path, text: str | bytes, name: str = "d.xml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_element_that_repeats_becomes_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path, ORDERS)
    kinds, values = table(path, tmp_path / "w")
    assert kinds == {
        "@id": "bigint",
        "who": "text",
        "total": "numeric",
        "total.@cur": "text",
        "item": "jsonb",
        "day": "date",
        "zip": "text",
        "ok": "boolean",
        "note": "text",
    }
    items: list[Any] = [{"@sku": "a"}, {"@sku": "b"}]
    day = dt.date(2024, 1, 2)
    assert values == [
        (1, "Rose", Decimal("12.50"), "EUR", items, day, "01234", True, None),
        (2, "Bo & Co", Decimal("3.00"), "EUR", [{"@sku": "c"}], None, "12345", None, values[1][-1]),
    ]
    assert values[1][-1].startswith("Hello <b")
    assert "the elements shop.orders.order" in notes(path, tmp_path / "w")


@pytest.mark.parametrize("nested", ["columns", "json", "tables"])
def test_an_attribute_does_not_move_the_text_of_its_element(nested: str, tmp_path: Path) -> None:
    text = (
        "<r xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><a><amt>5</amt></a>"
        "<a><amt cur='EUR'>6</amt></a><a><amt cur='CHF' i:nil='true'/></a></r>"
    )
    kinds, values = table(written(tmp_path, text), tmp_path / "w", nested=nested)
    assert list(kinds)[-2:] == ["amt", "amt.@cur"]
    assert [row[-2:] for row in values] == [(5, None), (6, "EUR"), (None, "CHF")]
    plain = written(tmp_path, "<r><a><amt>5</amt></a><a><amt>6</amt></a></r>", "plain.xml")
    kinds, values = table(plain, tmp_path / "w", nested=nested)
    assert (list(kinds)[-1], [row[-1] for row in values]) == ("amt", [5, 6])


def test_an_attribute_is_beside_an_element_with_others_in_it(tmp_path: Path) -> None:
    text = "<r><a><b id='1'><c>2</c></b></a><a><b id='3'>4</b></a><a><b><c u='k'>5</c></b></a></r>"
    kinds, values = table(written(tmp_path, text), tmp_path / "w")
    found = [{k: v for k, v in zip(kinds, row, strict=True) if v is not None} for row in values]
    assert found == [{"b.c": 2, "b.@id": 1}, {"b": 4, "b.@id": 3}, {"b.c": 5, "b.c.@u": "k"}]


def test_what_repeats_is_of_one_form_whether_it_has_attributes_or_not(tmp_path: Path) -> None:
    text = "<r><a><t>x</t><t n='1'>y</t><t/></a><a><t>z</t></a></r>"
    (_, values) = table(written(tmp_path, text), tmp_path / "w")
    assert values == [([{"#text": "x"}, {"@n": "1", "#text": "y"}, {}],), ([{"#text": "z"}],)]


def test_what_repeats_within_a_record_can_be_a_table(tmp_path: Path) -> None:
    found = tables(written(tmp_path, ORDERS), tmp_path / "w", nested="tables")
    assert found["d_item"][1] == [(1, 1, "a"), (1, 2, "b"), (2, 1, "c")]


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("<r><a><x>1</x></a><a><x>2</x></a></r>", {}, [(1,), (2,)]),
        ("<r><a x='1'/><a x='2'/></r>", {}, [(1,), (2,)]),
        ("<r><a>1</a><a>2</a></r>", {}, [(1,), (2,)]),
        ("<r><l><n>t</n><a x='1'/><a x='2'/></l></r>", {}, [(1,), (2,)]),
        ("<r><a><x>1</x></a></r>", {}, [(1,)]),
        ("<r><x>1</x><y>2</y></r>", {}, [(1, 2)]),
        ("<r><a x='1'/><a x='2'/><b y='3'/><b y='4'/></r>", {"records": "b"}, [(3,), (4,)]),
        ("<r><a x='1'/><a x='2'/></r>", {"records": "."}, [([{"@x": "1"}, {"@x": "2"}],)]),
        ("<r><a x='1'><a x='2'/></a><a x='3'/></r>", {}, [(1, 2), (3, None)]),
        ("<r><a><x/><y> </y></a><a><x>5</x></a></r>", {}, [(5,)]),
        ("<r><a><![CDATA[1 < 2]]></a><a>b<!-- no -->c</a></r>", {}, [("1 < 2",), ("bc",)]),
    ],
)
def test_records_are_found_or_chosen(
    text: str, options: Any, rows: list[Any], tmp_path: Path
) -> None:
    found = table(written(tmp_path, text), tmp_path / "w", **options)[1]
    assert [row for row in found if any(v is not None for v in row)] == rows


def test_what_stands_beside_the_records_is_named(tmp_path: Path) -> None:
    text = "<s><by>me</by><l><o i='1'><p>a</p></o><o i='2'><p>b</p></o><x i='3'/></l></s>"
    path = written(tmp_path, text)
    assert table(path, tmp_path / "w")[1] == [(1, "a"), (2, "b")]
    told = notes(path, tmp_path / "w")
    assert "the records are the elements s.l.o; not read: s.by, s.l.x" in told
    assert "s.l.o.p" not in told  # what is within a record is read


def test_encodings_are_those_that_the_file_names(tmp_path: Path) -> None:
    text = "<?xml version='1.0' encoding='{}'?><r><a x='é'/><a x='ü'/></r>"
    for name in ("iso-8859-1", "utf-16", "utf-8"):
        path = written(tmp_path, text.format(name).encode(name))
        assert table(path, tmp_path / "w")[1] == [("é",), ("ü",)]


def test_numbers_in_texts_stay_text_where_not_all_are(tmp_path: Path) -> None:
    text = "<r>" + "".join(f"<a x='{v}'/>" for v in ("1", "007", "1e5", "-0", "2.50")) + "</r>"
    kinds, values = table(written(tmp_path, text), tmp_path / "w")
    assert kinds == {"@x": "text"}
    assert values == [("1",), ("007",), ("1e5",), ("-0",), ("2.50",)]


def test_a_file_outside_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    for doctype in (
        f'<!DOCTYPE r [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>',
        f'<!DOCTYPE r [<!ENTITY % p SYSTEM "file://{tmp_path}/secret"> %p;]>',
    ):
        path = written(tmp_path, doctype + "<r><a>&e;</a><a>2</a></r>")
        with pytest.raises(SourceError, match="defines entities"):
            opened(path, tmp_path / "w")
    path = written(tmp_path, f'<!DOCTYPE r SYSTEM "{tmp_path}/secret"><r><a>1</a><a>2</a></r>')
    assert table(path, tmp_path / "w")[1] == [(1,), (2,)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<r><a>1</a><a>2</a>", "not valid XML"),
        ("<r><a>1</b></r>", "not valid XML"),
        ("<r><a>1</a></r><r/>", "not valid XML"),
        ("<r>&nothing;</r>", "not valid XML"),
        ("<r><a x=1/></r>", "not valid XML"),
        ("<?xml version='1.0' encoding='utf-8'?><r>\xff</r>".encode("latin-1"), "not valid XML"),
        ("<?xml version='1.0' encoding='no-such'?><r/>", "cannot be read"),
        ("<r><a x='1'/><a x='2'/><b y='3'/><b y='4'/></r>", "several kinds of records: r.a, r.b"),
        (f"<r><a>{'x' * 11_000_000}</a><a/></r>", "not valid XML"),
        (f"<r>{'<a>' * 199}{'</a>' * 199}</r>", "cannot be read|nested|no record"),
        ("<r><a x='&#0;'/></r>", "not valid XML"),
    ],
    ids=range(11),
)
def test_a_broken_or_hostile_file_is_refused_in_words(
    text: str | bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        opened(written(tmp_path, text), tmp_path / "w")
    assert caught.value.hint


def test_many_columns_are_refused(tmp_path: Path) -> None:
    text = "<r>" + "".join(f"<a x{n}='1'/>" for n in range(3000)) + "</r>"
    with pytest.raises(SourceError, match="more than 1,600 different keys"):
        opened(written(tmp_path, text), tmp_path / "w")


@pytest.mark.parametrize("name", ["d.csv", "d.txt", "d"])
def test_xml_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, "<?xml version='1.0'?><r><a x='1'/><a x='2'/></r>", name)
    assert table(path, tmp_path / "w")[1] == [(1,), (2,)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<rows>\n <row><a>1</a></row>\n</rows>", "XML"),
        ('\ufeff<rows at="1"><row/></rows>', "XML"),
        ("<TICKER>,<PER>\nA,1\n", "a CSV file"),
        ("<TICKER>\t<PER>\nA\t1\n", "a CSV file"),
        ("<html>\n<body></body></html>", "a CSV file"),  # whose reader says that it is a page
    ],
)
def test_what_comes_without_a_name_and_begins_with_a_tag_is_known(text: str, name: str) -> None:
    start = text.encode()
    assert formats.of_stream(start, start).name == name
