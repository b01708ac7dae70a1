"""Read a workbook, in a process of its own: each sheet's table becomes columns of Arrow."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import python_calamine as calamine

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.places import files
from myriad.sources.sheets import aside, cells, grid, ods, package, xlsx
from myriad.sources.sheets.grid import Grid
from myriad.wording import number_of

MOST_SHEETS = 1000
_ZIPPED = b"PK"
# MS-OFFCRYPTO, section 1.3.2: the stream of a newer workbook within an older one's file.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def read(path: Path, folder: Folder, options: dict[str, Any]) -> dict[str, Any]:
    """Write the tables of the sheets that are asked for; return what they are."""
    # Under a name without an ending it would not say what is wrong.
    plain = folder.path / f"book{_ending(path)}"
    try:
        plain.symlink_to((_sound(path, folder) if _is_zip(path) else path).absolute())
        with calamine.CalamineWorkbook.from_path(plain) as book:
            chosen, left = _chosen(book, options.get("sheet"))
            made = [_Sheet(path, book, name).written(folder, at) for at, name in enumerate(chosen)]
    except calamine.PasswordError:
        raise Refused(*package.LOCKED) from None
    except (calamine.CalamineError, zipfile.BadZipFile) as error:
        if plain.suffix == ".xls" and files.holds(path, _ENCRYPTED):
            raise Refused(*package.LOCKED) from None
        raise Refused(f"this is no workbook that can be read: {error}", package.DAMAGED) from None
    tables = [table for table in made if table["columns"]]
    left += [f"{table['sheet']} (empty)" for table in made if not table["columns"]]
    return {"tables": tables, "left": left}


def _is_zip(path: Path) -> bool:
    """Say whether a file is a zip archive: older workbooks have one within, of their theme."""
    return files.head(path, len(_ZIPPED)) == _ZIPPED


def _ending(path: Path) -> str:
    """Return the ending that a workbook's name should have."""
    if not _is_zip(path):
        return ".xls"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "META-INF/manifest.xml" in names:
        return ".ods"
    return ".xlsb" if "xl/workbook.bin" in names else ".xlsx"


def _sound(path: Path, folder: Folder) -> Path:
    package.check(path)
    return ods.plain(path, folder)


def _chosen(book: calamine.CalamineWorkbook, asked: str | None) -> tuple[list[str], list[str]]:
    """Return the sheets to read, and those that are not, each with the reason."""
    names = [sheet.name for sheet in book.sheets_metadata]
    if asked is not None:
        same = [name for name in names if name == asked]
        same = same or [name for name in names if name.casefold() == asked.casefold()]
        if not same:
            known = ", ".join(names[:20])
            raise Refused(f"there is no sheet {asked!r}", f"It has: {known}.")
        return same[:1], [name for name in names if name != same[0]]
    if len(names) > MOST_SHEETS:
        raise Refused(f"it has {len(names):,} sheets", "Say which one: --sheet NAME.")
    read, left = list[str](), list[str]()
    for sheet in book.sheets_metadata:
        if sheet.typ != calamine.SheetTypeEnum.WorkSheet:
            left.append(f"{sheet.name} (no table)")
        elif sheet.visible != calamine.SheetVisibleEnum.Visible:
            left.append(f"{sheet.name} (hidden)")
        else:
            read.append(sheet.name)
    return read, left


@dataclass
class _Sheet:
    """One sheet on its way to Arrow."""

    path: Path
    book: calamine.CalamineWorkbook
    name: str

    def written(self, folder: Folder, number: int) -> dict[str, Any]:
        """Write the table of the sheet; return what it is."""
        with ThreadPoolExecutor(1) as beside:  # calamine parses without Python's lock
            looked = beside.submit(self._look)
            sheet = self.book.get_sheet_by_name(self.name)
        look = looked.result()
        start = sheet.start or (0, 0)
        merged = [
            (top, left - start[1], bottom, right - start[1])
            for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()
        ]
        table = grid.found(sheet.iter_rows(), merged)
        answer: dict[str, Any] = {"sheet": self.name, "columns": [], "file": f"{number}.arrow"}
        if not table.names:
            return answer
        self._compare(look, table)
        aside.set_aside(table, sheet.iter_rows, self.name)
        notes = [*table.notes, *aside.apart(table.names, start[1])]
        if look is not None:
            notes += _nulls(look)
        zeros = look.zeros if look is not None else {}
        padded = {column - start[1]: width for column, width in zeros.items()}
        answer["columns"] = cells.written(folder, answer["file"], table, sheet.iter_rows, padded)
        return {**answer, "notes": notes, "records": table.records, "aside": table.aside}

    def _look(self) -> xlsx.Look | None:
        """Look at the XML beside calamine."""
        return xlsx.look(self.path, self.name) if _is_zip(self.path) else None

    def _compare(self, look: xlsx.Look | None, table: Grid) -> None:
        """Raise Refused if the two read different rows."""
        filled = sum(1 for count in table.counts if count)
        if look is not None and not look.least <= filled <= look.most:
            raise Refused(
                f"sheet {self.name}: {number_of(look.most, 'row')} with something, {filled:,} read",
                package.DAMAGED,
            )


def _nulls(look: xlsx.Look) -> list[str]:
    """Return notes on cells that give null although something is in them."""
    notes = []
    if look.errors:
        notes.append(f"{number_of(look.errors, 'cell')} with an error, such as #N/A: null")
    if look.unsaved:
        have, are = ("has", "it is") if look.unsaved == 1 else ("have", "they are")
        formulas = number_of(look.unsaved, "formula")
        notes.append(f"{formulas} {have} no saved value: {are} null")
    return notes
