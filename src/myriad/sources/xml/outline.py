"""Which elements an XML file has, how often, and which of them are the records.

By expat, which keeps nothing of what it reads; the records themselves are read by lxml: two that
know nothing of each other count the same, or the file is refused.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from myriad.sources.apart.writing import Refused
from myriad.sources.base import MAX_READ
from myriad.wording import number_of

MAX_DEPTH = 200
MOST_KINDS = 20_000  # of elements: a table has 1,600 columns
CHUNK = 1 << 20
SHOWN = 10
NIL = "http://www.w3.org/2001/XMLSchema-instance nil"  # it says that there is no value

Names = tuple[str, ...]


@dataclass
class Kind:
    """All elements that stand in one place: below the same names.

    Attributes:
        most: how many of them one element above has.
        parts: some of them have attributes, or elements in them.
        attributes: some of them have attributes.
    """

    count: int = 0
    most: int = 0
    parts: bool = False
    attributes: bool = False


@dataclass
class Outline:
    """The elements of a file, by the names that lead to them."""

    kinds: dict[Names, Kind] = field(default_factory=dict)

    def records(self, asked: str | None, origin_hint: str = "") -> tuple[Names, str]:
        """Return the names that lead to the records, and a note; raises Refused."""
        if asked is not None:
            chosen = self._asked(asked)
            left = self._left(chosen)
            return chosen, f"the records are the elements {'.'.join(chosen)}{left}" if left else ""
        repeated = [names for names, kind in self.kinds.items() if kind.most > 1]
        rich = [names for names in repeated if self.kinds[names].parts] or repeated
        if not rich:
            return self._single(), "no element stands twice in it"
        depth = min(map(len, rich))
        first = [names for names in rich if len(names) == depth]
        if len(first) > 1:
            named = [".".join(names) for names in first[:SHOWN]]
            raise Refused(
                f"it has several kinds of records: {', '.join(named)}",
                f"Say which: --records {named[0]}{origin_hint}",
            )
        return first[0], f"the records are the elements {'.'.join(first[0])}{self._left(first[0])}"

    def _left(self, records: Names) -> str:
        """Return the words on elements that stand beside the records, or beside those above."""
        left = [
            ".".join(names)
            for names in self.kinds
            if len(names) <= len(records)  # what is within a record is read
            and names[:-1] == records[: len(names) - 1]
            and names[-1] != records[len(names) - 1]
        ]
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        return f"; not read: {', '.join(left[:SHOWN])}{more}" if left else ""

    def _asked(self, asked: str) -> Names:
        wanted = tuple(part for part in asked.replace("/", ".").split(".") if part)
        if asked == ".":
            return next(iter(self.kinds))
        found = [names for names in self.kinds if names[-len(wanted) :] == wanted] if wanted else []
        if len(found) != 1:
            known = [".".join(names) for names, kind in self.kinds.items() if kind.parts]
            raise Refused(
                f"there {'is no element' if not found else 'are several elements'} {asked!r}",
                f"There is: {', '.join(known[:SHOWN])}.",
            )
        return found[0]

    def _single(self) -> Names:
        """Return what is the one record where nothing repeats."""
        root = next(iter(self.kinds))
        inner = [names for names in self.kinds if len(names) == len(root) + 1]
        return inner[0] if len(inner) == 1 and self.kinds[inner[0]].parts else root

    def many(self, records: Names) -> dict[Names, bool]:
        """Return what may stand in a record more than once, and whether it has attributes."""
        begin = len(records)
        return {
            names[begin:]: kind.attributes
            for names, kind in self.kinds.items()
            if len(names) > begin and names[:begin] == records and kind.most > 1
        }


def outline(path: Path) -> Outline:
    """Read a file once; raises Refused for what is no XML, or defines entities."""
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reading.start, reading.end
    parser.EntityDeclHandler = _refuse_entities
    try:
        with path.open("rb") as file:
            for data in _chunks(file):
                parser.Parse(data, False)  # noqa: FBT003 - C's own
            parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError as error:
        raise Refused(f"line {error.lineno}: it is not valid XML: {error}", "") from None
    return reading.outline


def _chunks(file: object) -> Iterator[bytes]:
    while data := file.read(CHUNK):  # type: ignore[attr-defined]
        yield data


def _refuse_entities(name: str, *_: object) -> None:
    raise Refused(
        f"it defines entities of its own ({name})",
        "Such files can be made to grow without end. Write it without a DOCTYPE.",
    )


def local(name: str) -> str:
    """Return an element's or an attribute's name without its namespace."""
    return name.rpartition(" ")[2].rpartition("}")[2]


class _Reading:
    """Takes in elements as they come."""

    def __init__(self) -> None:
        self.outline = Outline()
        self._names: Names = ()
        self._inside: list[Counter[str]] = [Counter()]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take that an element begins."""
        plain = local(name)
        if self._names:
            self.outline.kinds[self._names].parts = True
        self._names = (*self._names, plain)
        self._inside[-1][plain] += 1
        kind = self.outline.kinds.get(self._names)
        if kind is None:
            kind = self.outline.kinds[self._names] = Kind()
            if len(self.outline.kinds) > MOST_KINDS:
                raise Refused("it has too many kinds of elements", "Is it a table at all?")
        if len(attributes) > MAX_READ:  # libxml2 compares each with all others
            raise Refused(
                f"an element has {number_of(len(attributes), 'attribute')}; {MAX_READ:,} can be"
                " read",
                "Is it a table at all?",
            )
        if len(self._names) > MAX_DEPTH:
            raise Refused(f"it is nested more than {MAX_DEPTH} levels deep", "")
        kind.count += 1
        kind.most = max(kind.most, self._inside[-1][plain])
        kind.attributes = kind.attributes or bool(attributes.keys() - {NIL})
        kind.parts = kind.parts or bool(attributes)
        self._inside.append(Counter())

    def end(self, _: str) -> None:
        """Take that one ends."""
        self._inside.pop()
        self._names = self._names[:-1]
