"""From what a person named to plain files: folders and archives are opened, whatever is in them."""

import sys
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from myriad.errors import SourceError
from myriad.sources.base import Mark, Watch, Workspace
from myriad.sources.places import addresses, archives, files, folders, marks
from myriad.sources.places.archives import Archive
from myriad.sources.places.names import (
    STDIN,
    is_packed,
    refuse_unreadable,
    table_of,
    uncompressed,
    within,
)
from myriad.wording import readable

if TYPE_CHECKING:
    from myriad.sources.places.cloud import Object

STANDARD_INPUT = "standard input"
MOST_DEPTH = 3  # archives within archives
NOTHING = "__HIVE_DEFAULT_PARTITION__"  # as Hive calls the folder of nulls


@dataclass(frozen=True)
class Item:
    """One plain file.

    Attributes:
        path: where it is.
        ending: of the name that it has where it comes from; None: it has none.
        name: what its table is called.
        origin: what it is called for people.
        watch: tells that what a person named was written to.
        among: it was found in a folder or an archive, not named: it may be no table at all.
        values: what the names of folders say, such as `month=01`.
        group: one table with all others of it.
    """

    path: Path
    ending: str | None
    name: str
    origin: str
    watch: Watch
    among: bool = False
    values: dict[str, str | None] = field(default_factory=dict)
    group: str = ""


@dataclass
class Finding:
    """All plain files of one thing that was named.

    Attributes:
        is_archive: tells those from files that are tables.
        left: what was found and not read, each with the reason.
        is_folder: it is one, here or in a cloud's store.
        mark: what it is at this moment.
    """

    workspace: Workspace
    is_archive: Callable[[Path], bool]
    left: list[str] = field(default_factory=list)
    is_folder: bool = False
    mark: Mark = field(default_factory=Mark)

    def items(self, named: str | Path) -> list[Item]:
        """Return the files of what was named; raises SourceError."""
        if addresses.is_cloud(named):
            return self._in_cloud(str(named))
        if addresses.is_address(named):
            return self._fetched(str(named))
        path = Path(named)
        if str(path) == STDIN:
            if sys.stdin is None or sys.stdin.closed:
                raise SourceError("standard input is closed", hint="Pipe a file in, or name one.")
            spooled = self._spooled()
            self._read("", [("", spooled)])
            item = Item(spooled, None, "stdin", STANDARD_INPUT, Watch(spooled, STANDARD_INPUT))
            return list(self._opened(item, spooled, "", MOST_DEPTH))
        origin = readable(str(path))
        inside = None if path.exists() else within(path)
        if inside is not None:
            path = inside[0]
        refuse_unreadable(path, origin)
        version = marks.version(named, private=False)
        if path.is_dir():
            found = folders.below(path, self.left)
            items = self._folder(path, origin, found)
            self._read(version, [(str(each.relative_to(path)), each) for each in found])
        else:
            items = self._file(path, origin, inside[1] if inside else "")
            self._read(version, [("", path)])
        return items

    def _spooled(self) -> Path:
        space = self.workspace
        return files.spooled(sys.stdin.buffer, STANDARD_INPUT, space.folder, space.tell)

    def _fetched(self, address: str) -> list[Item]:
        from myriad.sources.places import web  # noqa: PLC0415 - with the first such address

        private = self.workspace.allow_private
        path, version = web.fetched(
            address, self.workspace.folder, self.workspace.tell, private=private
        )
        self._read(marks.of_web(address, version), [("", path)])
        return self._at(address, path)

    def _at(self, address: str, path: Path) -> list[Item]:
        """Return the files of a copy of what is at an address."""
        name, origin = Path(addresses.file_name(address)), addresses.shown(address)
        item = Item(path, _ending(name.name), table_of(name), origin, Watch(path, origin))
        if not item.ending or not item.ending[1:].isalpha():
            item = replace(item, ending=None)  # the last word of an address need be no file's name
        return list(self._opened(item, path, "", MOST_DEPTH))

    def _in_cloud(self, address: str) -> list[Item]:
        """Return the files of an object, or of all that are below one that is like a folder."""
        from myriad.sources.places import cloud  # noqa: PLC0415

        one = cloud.one(address)
        if one is not None:
            [path] = self._copies([one], address)
            return self._at(address, path)
        self.is_folder = True
        origin, begin = addresses.shown(address).rstrip("/"), f"{address.rstrip('/')}/"
        objects = [
            each
            for each in cloud.below(address)
            if not archives.is_side(each.address.removeprefix(begin))
        ]
        if not objects:
            raise SourceError(f"{origin}: there is no object in it", hint="Check bucket and key.")
        if len(objects) > folders.MOST_FILES:
            raise folders.too_many(origin)
        found: list[Item] = []
        paths = self._copies(objects, begin)
        for each, path in zip(objects, paths, strict=True):
            within = PurePosixPath(each.address.removeprefix(begin))
            name = readable(addresses.file_name(address))
            found += _placed(self._at(each.address, path), within, origin, name)
        return found

    def _copies(self, objects: "list[Object]", begin: str) -> list[Path]:
        """Return a copy of each object; `begin` is what their addresses begin with."""
        from myriad.sources.places import cloud  # noqa: PLC0415

        came = cloud.fetched(objects, self.workspace.folder, self.workspace.tell)
        pairs = list(zip(objects, came, strict=True))
        version = marks.of_objects(replace(each, version=told) for each, (_, told) in pairs)
        self._read(version, [(each.address.removeprefix(begin), path) for each, (path, _) in pairs])
        return [path for path, _ in came]

    def _read(self, version: str, found: list[tuple[str, Path]]) -> None:
        """Take the mark of what was named, which is these files: watched from now on, or ours."""
        self.mark = Mark(version, marks.content(found) if self.workspace.compares else "")

    def _file(self, path: Path, origin: str, pattern: str) -> list[Item]:
        archive = readable(str(path))  # what was named may lead into it
        item = Item(path, _ending(path.name), table_of(path), archive, Watch(path, archive))
        found = list(self._opened(item, path, pattern, MOST_DEPTH))
        if pattern and not found:
            raise SourceError(
                f"{origin}: the archive has no such file", hint=f"It has: {_some(self.left)}."
            )
        if pattern:
            self.left.clear()
            return [replace(each, among="*" in pattern or "?" in pattern) for each in found]
        return found

    def _opened(self, item: Item, path: Path, pattern: str, depth: int) -> Iterator[Item]:
        space = self.workspace
        plain = files.decompressed(path, space.folder, item.origin, space.tell)
        if not self.is_archive(plain):
            if pattern:
                raise SourceError(
                    f"{item.origin}: it is no archive, in which there could be files",
                    hint="Name the file alone.",
                )
            yield replace(item, path=plain)
            return
        if not depth:
            raise SourceError(
                f"{item.origin}: archives within archives, more than {MOST_DEPTH} deep",
                hint="Unpack it first.",
            )
        opened = Archive(plain, item.origin, space.folder, pattern, self.left, space.tell)
        for member in opened.members():
            name = PurePosixPath(member.name.replace("\\", "/"))
            origin = f"{item.origin}/{member.name}"
            called = readable(uncompressed(Path(name.name)).stem)
            inner = replace(item, origin=origin, name=called, ending=_ending(name.name), among=True)
            yield from self._opened(inner, member.path, "", depth - 1)

    def _folder(self, folder: Path, origin: str, paths: list[Path]) -> list[Item]:
        self.is_folder = True
        found: list[Item] = []
        for path in paths:
            within = PurePosixPath(path.relative_to(folder))
            items = self._file(path, readable(str(path)), "")
            found += _placed(items, within, origin, readable(folder.resolve().name))
        if not found:
            raise SourceError(f"{origin}: there is no file in it", hint="Nothing to publish.")
        return found


def alone(folder: Path) -> tuple[list[Path], bool]:
    """Return the files below a folder, each as it is named alone, and whether that is all of them.

    Those of partitions are one table together, by the names of their folders. What is in an archive
    is called after its files, as it is where the folder is named. Raises SourceError for too many.
    """
    found = folders.below(folder)
    rest = [path for path in found if not _values(PurePosixPath(path.relative_to(folder)))]
    return [path / "*" if is_packed(path) else path for path in rest], len(rest) == len(found)


def _placed(items: list[Item], within: PurePosixPath, folder: str, name: str) -> list[Item]:
    """Return files of a folder with what the names of the folders in it say."""
    values = _values(within)
    if not values:
        return [replace(item, among=True) for item in items]
    return [replace(item, among=True, values=values, group=folder, name=name) for item in items]


def _values(path: PurePosixPath) -> dict[str, str | None]:
    """Return what the names of folders say: `month=01`, as Hive and Spark write them."""
    found: dict[str, str | None] = {}
    for part in path.parts[:-1]:
        name, equals, value = part.partition("=")
        if name and equals:
            plain = urllib.parse.unquote(value)
            found[urllib.parse.unquote(name)] = None if plain == NOTHING else plain
    return found


def _ending(name: str) -> str:
    return uncompressed(Path(name)).suffix.lower()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""  # noqa: PLR2004 - names shown
    return ", ".join(names[:10]) + more
