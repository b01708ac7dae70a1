"""Find the format of what a person named and open it as tables."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from myriad.errors import NoTable, SourceEmpty, SourceError
from myriad.sources import formats
from myriad.sources.base import TableSource, Workspace
from myriad.sources.options import ReadOptions
from myriad.sources.places import files
from myriad.sources.places.addresses import file_name, is_address, is_cloud, shown
from myriad.sources.places.folders import below
from myriad.sources.places.items import Finding, Item, alone
from myriad.sources.places.names import (
    COMPRESSED,
    STDIN,
    called,
    check_there,
    expand,
    is_packed,
    table_of,
    uncompressed,
    within,
)
from myriad.sources.places.stores import CLOUDS
from myriad.sources.shaped import Placed
from myriad.wording import readable

SHOWN = 10  # names of files in a note
WORDS = (".txt",)  # how the names of files end that are more often read by people than tables
# As people call what they write for those who unpack an archive.
TOLD = {
    *("readme", "read me", "liesmich", "lies mich", "lisezmoi", "leeme", "leggimi", "leiame"),
    *("license", "licence", "lizenz", "copying", "notice", "changelog"),
}

OptionsFor = Callable[[str], ReadOptions]
# What stands for a source that is empty, by its table's name and its origin; raises the error.
Instead = Callable[[str, str, SourceEmpty], TableSource]


def open_sources(
    names: Sequence[str | Path],
    options: OptionsFor,
    workspace: Workspace,
    empty: Instead | None = None,
) -> list[TableSource]:
    """Open all that `names` name: files, folders, archives, addresses, globs, `-` for a stream.

    `options` says how to read the file from which a table of that name comes, `empty` what stands
    for a file without content.

    Raises SourceError for the first that is missing, or of no known format.
    """
    opened: list[TableSource] = []
    try:
        for name in names:
            for path in expand(name):
                opened += _open(path, options, workspace, empty)
    except BaseException:
        for source in opened:
            source.close()
        raise
    return opened


def check(names: Sequence[str | Path]) -> None:
    """Raise SourceError for the first that is missing, or that nothing installed can read.

    What is in archives, and at addresses, is seen when it is opened.
    """
    for name in names:
        for each in expand(name):
            check_there(each)
            if is_cloud(each):
                CLOUDS[str(each).partition(":")[0].lower()].check()
            elif not is_address(each) and str(each) != STDIN and within(each) is None:
                _check_readers(Path(each))


def _check_readers(path: Path) -> None:
    """Raise SourceError if what reads a file, or one of a folder, is not installed."""
    for file in below(path) if path.is_dir() else [path]:
        ending = uncompressed(file).suffix.lower()
        if file.suffix.lower() not in COMPRESSED and not (path.is_dir() and is_packed(file)):
            formats.check(file, ending, readable(str(file)))


def parts(named: str | Path) -> tuple[list[Path], bool]:
    """Return the files of a folder that can be published each by itself, and whether that is all.

    Of anything else there are none.
    """
    path = Path(named)
    if is_address(named) or not path.is_dir():
        return [], False
    try:
        files, complete = alone(path)
    except (SourceError, OSError):  # the folder itself is what cannot be read
        return [], False
    return [each for each in files if each.name == "*" or _is_known(each)], complete


def _is_known(path: Path) -> bool:
    if _is_told(path.suffix.lower(), path.stem):
        return False
    return formats.is_known(uncompressed(path).suffix.lower(), path)


def _open(
    path: str | Path, options: OptionsFor, workspace: Workspace, empty: Instead | None
) -> list[TableSource]:
    finding = Finding(workspace, formats.is_archive)
    items = finding.items(path)
    items = [item for item in items if not _passed_over(item, finding.left)]
    whole = Path(file_name(str(path)) if is_address(path) else path)
    if len(items) == 1 and not finding.is_folder and (is_address(path) or whole.is_file()):
        # An archive of one file is like one that is compressed.
        items = [replace(items[0], name=table_of(whole))]
    opened: list[TableSource] = []
    try:
        for item in items:
            opened += _among(item, finding.left, _others(path, finding), options, workspace, empty)
    except BaseException:
        for source in opened:
            source.close()
        raise
    if not opened:
        raise SourceError(
            f"{shown(path)}: there is no table in it",
            hint=f"It has: {_some(finding.left)}.",
        )
    for source in opened:
        source.named, source.stem = readable(shown(path)), next(called(path))
        source.mark = finding.mark
    if finding.left:
        opened[0].notes = (*opened[0].notes, f"not read: {_some(finding.left)}")
    return opened


def _others(path: str | Path, finding: Finding) -> str:
    """Say how the other files are published where one of a folder or an archive cannot be read."""
    if is_address(path):
        return ""
    if finding.is_folder:
        return " With --keep-going the other files are published."
    return f" Or name those that you want, such as '{readable(str(path))}/*.csv'."


def _is_told(ending: str | None, name: str) -> bool:
    """Say whether a file is called as what people write for each other."""
    return ending in WORDS and name.lower() in TOLD


def _among(
    item: Item,
    left: list[str],
    others: str,
    options: OptionsFor,
    workspace: Workspace,
    empty: Instead | None,
) -> list[TableSource]:
    """Open a file as `_of` does; words that lie among others' tables are left, as they are read.

    Raises SourceError that says what can be done for the others.
    """
    try:
        return _of(item, options, workspace, empty)
    except SourceError as error:
        if isinstance(error, NoTable) and item.among and item.ending in WORDS:
            left.append(f"{item.origin} (words, and no table)")
            return []
        error.hint += others if item.among and not item.values else ""
        raise


def _passed_over(item: Item, left: list[str]) -> bool:
    """Say whether a file that nobody named is no table; `left` takes its name."""
    told = _is_told(item.ending, item.name)
    if not item.among or (not told and formats.is_known(item.ending or "", item.path)):
        return False
    left.append(item.origin)
    return True


def _of(
    item: Item, options: OptionsFor, workspace: Workspace, empty: Instead | None
) -> list[TableSource]:
    start, end, said = files.head(item.path), files.tail(item.path), options(item.name)
    if item.ending is None:
        chosen = formats.Chosen(formats.of_stream(start, end))
    else:
        chosen = formats.of_file(item.ending, start, end, item.origin, said)
    try:
        opened = chosen.format.open(item.path, item.origin, said, workspace, item.name)
    except SourceEmpty as error:
        if empty is None:
            raise
        opened = [empty(item.name, item.origin, error)]
    for source in opened:
        _check_names(source)
        source.watch = source.watch if source.guarded else item.watch
        source.notes = (*filter(None, [chosen.note]), *chosen.format.without(said))
    if item.values:
        opened = [Placed(source, item.values, workspace) for source in opened]
    for source in opened:
        source.group = item.group
    return opened


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more


def _check_names(source: TableSource) -> None:
    for column in source.table.columns:
        if "\0" in column.name:
            raise SourceError(
                f"{source.origin}: the name {column.name!r} of a column holds a NUL character",
                hint="No engine takes that. Name the column otherwise.",
            )
