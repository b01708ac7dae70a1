"""Read an XML file, in a process of its own: each record becomes JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.xml.outline import Names, local, outline
from myriad.wording import number_of

FILE = "records.jsonl"
TEXT = "#text"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def read(path: Path, folder: Folder, options: dict[str, Any]) -> dict[str, Any]:
    """Write the records as JSON: attributes are `@name`, elements their name."""
    found = outline(path)
    records, note = found.records(options.get("records"))
    lines, many = folder.lines(FILE), found.many(records)
    try:
        for element in _elements(path, records):
            made = _value(element, (), many)
            record = made if isinstance(made, dict) else {TEXT: made}
            lines.add({key: value for key, value in record.items() if value is not None})
    except etree.XMLSyntaxError as error:
        raise Refused(f"it is not valid XML: {error}", "") from None
    lines.close()
    count = found.kinds[records].count
    if lines.written != count:
        raise Refused(f"it has {number_of(count, 'record')}, and {lines.written:,} came", "")
    return {"file": FILE, "note": note}


def _elements(path: Path, records: Names) -> Iterator[Any]:
    """Yield the records; what was passed by is let go of."""
    names: list[str] = []
    # Nothing is fetched or expanded: no entities, no DTD, no network; libxml2's own limits of
    # depth and length hold.
    events = etree.iterparse(
        str(path),
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    inside = 0
    for event, element in events:
        if event == "start":
            names.append(local(element.tag))
            inside += tuple(names) == records or inside > 0
            continue
        if inside == 1 and tuple(names) == records:
            yield element
        inside = max(0, inside - 1)
        names.pop()
        if not inside:
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]


def _value(element: Any, names: Names, many: set[Names]) -> Any:  # noqa: ANN401 - lxml has no types
    if element.get(_NIL) in ("true", "1"):
        return None
    made: dict[str, Any] = {f"@{local(key)}": value for key, value in element.attrib.items()}
    text = (element.text or "").strip()
    if len(element) and (text or any((child.tail or "").strip() for child in element)):
        text, children = _inner(element), []
    else:
        children = list(element)
    for child in children:
        name = local(child.tag)
        value = _value(child, (*names, name), many)
        if (*names, name) in many:
            made.setdefault(name, []).append(value)
        elif value is not None:
            made[name] = value
    if not made:
        return (element.text if not children and text and not len(element) else text) or None
    if text:
        made[TEXT] = text
    return made


def _inner(element: Any) -> str:  # noqa: ANN401
    """Return texts and elements that stand among each other as they are written."""
    parts = (etree.tostring(child, encoding="unicode") for child in element)
    return ((element.text or "") + "".join(parts)).strip()
