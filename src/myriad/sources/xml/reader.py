"""Read an XML file, in a process of its own: each record becomes JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.xml.outline import NIL, Names, local, outline
from myriad.wording import number_of

FILE = "records.jsonl"
TEXT = "#text"
Many = dict[Names, bool]  # what stands in a record several times: with attributes or without
_NIL = "{{{}}}{}".format(*NIL.split())


def read(path: Path, folder: Folder, options: dict[str, Any]) -> dict[str, Any]:
    """Write the records as JSON: attributes are `@name`, elements their name."""
    found = outline(path)
    records, note = found.records(options.get("records"))
    lines, many = folder.lines(FILE), found.many(records)
    try:
        for element in _elements(path, records):
            lines.add(_record(element, (), many))
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


def _record(element: Any, names: Names, many: Many) -> dict[str, Any]:  # noqa: ANN401 - lxml has no types
    """Return an element as an object: its attributes and what is in it."""
    made, content = _attributes(element, ""), _content(element, names, many)
    if isinstance(content, dict):
        made.update(content)
    elif content is not None:
        made[TEXT] = content
    return made


def _attributes(element: Any, before: str) -> dict[str, Any]:  # noqa: ANN401
    items = element.attrib.items()
    return {f"{before}@{local(key)}": value for key, value in items if key != _NIL}


def _content(element: Any, names: Names, many: Many) -> Any:  # noqa: ANN401
    """Return the text in an element or an object of the elements in it, None for nothing.

    Attributes of what stands there once are beside it, as `name.@attribute`: whether there are any
    does not move the text. What may stand there several times is all objects, or none.
    """
    if element.get(_NIL) in ("true", "1"):
        return None
    text = (element.text or "").strip()
    if not len(element):
        return element.text if text else None
    if text or any((child.tail or "").strip() for child in element):
        return _inner(element)
    made: dict[str, Any] = {}
    for child in element:
        name = local(child.tag)
        below = (*names, name)
        if below in many:
            read = _record if many[below] else _content
            made.setdefault(name, []).append(read(child, below, many))
            continue
        value = _content(child, below, many)
        made |= ({} if value is None else {name: value}) | _attributes(child, f"{name}.")
    return made or None


def _inner(element: Any) -> str:  # noqa: ANN401
    """Return texts and elements that stand among each other as they are written."""
    parts = (etree.tostring(child, encoding="unicode") for child in element)
    return ((element.text or "") + "".join(parts)).strip()
