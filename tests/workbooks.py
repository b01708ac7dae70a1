"""Makes workbooks: what Excel and LibreOffice write, and what they never would."""

import base64
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl

_NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Of 1997: a sheet A with a number, a date and a cell that spans two columns.
OLD = zlib.decompress(
    base64.b64decode(
        "eNrtWE1oE0EU/maSNJvQ5kdToRVKKFi1tgfx4qVdK9WeUqoXf0FTm4PUphK86EGrNUdB8KR4KdSDl6oXf/AHxYsH"
        "oaIHQRASxZMnwYKHNut7b3dtGhES0EJlvmXevHnz3szb+Xm7M2/mk6WZe+1l1KAfAVScCJqqZIpSxC8kQPWOw6yf"
        "W5QcgzWFiEUT2RTC45bXYZ5Dnu8yNO4GXxAFPlE6itMYnszn0quI3eJDVrEPfUQVbpIkhjbxap3QE0LXC70jmk+E"
        "7hLJFaF9pFtShzFvD3fv9FbxQd0pdTFwuw/E5oNItqMVr3gVX7iqXN0QBgons6fWWEVHsBmzoAkdyuVzBS7HcQtR"
        "4BChN5PpHRwsIUWTPYsFJw1893f187SRr65cgeQ/VsrDf5BbNIm18ms6CEzBOS6bpEgBeiHgroWBRSRlVWs3dmcp"
        "n5iIchCXTZ9YselbZDM0Ex1DXHjXOEG9Lt7+9jYzOmIfE8mUBHr3c7CJe4eDi2xBxjGpCfyi3WKxTeglaXWj8O1C"
        "U7ReKe8aafWYvdOic1lqu6ifHYJ39uYqfgvxxa/7HnYUP9tbiZ8bKp9Lzb23Z9BJbz9G9vxMo0f1qBvXGY9sP1de"
        "6PgotO23MGLphOe7433z4ljijUNICnVLPDr8/s9kLLSMFdsqKS3bntdRkSVxhJoPaUt8Y1vW1jXaTz3vkohJkLv/"
        "kkfjC9w2uFeNfk1yVqIwt4woDAwMDAwMDAwMDOqA8s4H/LPOv/Ih7zgQ9u51lihVzDXJf4v9mKTnDB0q9yBPeQFn"
        "G1o/GxBSfluqThv/vpBxgHovYByj4sd4w+uXDkyq+n3qNkz8vS3UaP+VRvz8x/3/BH8wzD0="
    )
)


def xlsx(path: Path, fill: Callable[[Any], None]) -> Path:
    """Write a workbook whose first sheet `fill` fills."""
    book = openpyxl.Workbook()
    fill(book.active)
    book.save(path)
    return path


def rows_of(*rows: tuple[Any, ...]) -> Callable[[Any], None]:
    """Return what fills a sheet with rows, None being an empty cell."""

    def fill(sheet: Any) -> None:
        for row in rows:
            sheet.append(row)

    return fill


def raw(path: Path, sheet: str, *, more: dict[str, str] | None = None) -> Path:
    """Write a workbook whose one sheet has this XML between its `sheetData`."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml"'
        ' ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1"'
        f' Type="{_RELS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {_NS} xmlns:r="{_RELS}"><sheets><sheet name="S"'
        ' sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_RELS}/worksheet" Target="worksheets/s.xml"/>'
        "</Relationships>",
        "xl/worksheets/s.xml": f"<worksheet {_NS}><sheetData>{sheet}</sheetData></worksheet>",
        **(more or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def ods(path: Path, table: str, *, head: str = "") -> Path:
    """Write an OpenDocument spreadsheet whose one sheet has these rows."""
    office = "urn:oasis:names:tc:opendocument:xmlns"
    text = (
        f'<?xml version="1.0"?>{head}<office:document-content xmlns:office="{office}:office:1.0"'
        f' xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="T">{table}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        f'<manifest:manifest xmlns:manifest="{office}:manifest:1.0"><manifest:file-entry'
        f' manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", text)
    return path


def cell(text: str, kind: str = "string", **more: str) -> str:
    """Return a cell of an OpenDocument sheet."""
    value = "" if kind == "string" else f' office:{more.pop("name", "value")}="{text}"'
    said = "".join(f' table:{name.replace("_", "-")}="{v}"' for name, v in more.items())
    shown = f"<text:p>{text}</text:p></table:table-cell>"
    return f'<table:table-cell office:value-type="{kind}"{value}{said}>{shown}'


def line(*cells: str, **more: str) -> str:
    """Return a row of an OpenDocument sheet."""
    said = "".join(f' table:{name.replace("_", "-")}="{v}"' for name, v in more.items())
    return f"<table:table-row{said}>{''.join(cells)}</table:table-row>"
