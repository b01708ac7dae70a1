"""Sheets as people have them, in every format of workbooks, and what comes of each."""

import base64
import datetime as dt
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.every_format import ods_of
from tests.every_workbook import xlsb
from tests.workbooks import rows_of, xlsx

Rows = Sequence[tuple[Any, ...]]
DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T13:14:15")
CREW: Rows = [("id", "who"), (1, "Rose"), (2, "Bo"), (3, "Cy")]
FOUND: Rows = CREW[1:]
IDS = "id bigint; who text"
# What is hard in it → the rows of the sheet, the columns, and the rows of the table.
SHEETS: dict[str, tuple[Rows, str, Rows]] = {
    "plain": (CREW, IDS, FOUND),
    "decimals": (
        [("a", "b"), (1, 0.5), (-2, 1234567.25)],
        "a bigint; b numeric",
        [(1, "0.50"), (-2, "1234567.25")],
    ),
    "far numbers": ([("a",), (1e300,), (0.5,)], "a double precision", [(1e300,), (0.5,)]),
    "letters of all kinds": (
        [("ключ", "名"), ("é 🎉", "a & <b>"), ("it's", '"q"')],
        "ключ text; 名 text",
        [("é 🎉", "a & <b>"), ("it's", '"q"')],
    ),
    "flags": (
        [("ok", "n"), (True, 1), (False, 2)],
        "ok boolean; n bigint",
        [(True, 1), (False, 2)],
    ),
    "days": ([("day", "n"), (DAY, 1), (DAY, 2)], "day date; n bigint", [(DAY, 1), (DAY, 2)]),
    "moments": ([("at", "n"), (MOMENT, 1)], "at timestamp; n bigint", [(MOMENT, 1)]),
    "a code of digits": (
        [("code", "n"), ("007", 1), ("12", 2)],
        "code text; n bigint",
        [("007", 1), ("12", 2)],
    ),
    "words and numbers": (
        [("v", "n"), (1, 1), ("x", 2), (2.5, 3)],
        "v text; n bigint",
        [("1", 1), ("x", 2), ("2.5", 3)],
    ),
    "gaps": (
        [("a", "b"), (1, None), (None, 2), (3, 4)],
        "a bigint; b bigint",
        [(1, None), (None, 2), (3, 4)],
    ),
    "a title above": ([("Crew of May", None), (None, None), *CREW], IDS, FOUND),
    "a total below": (
        [("who", "n", "pay"), ("Rose", 1, 1), ("Bo", 2, 2), ("Total", None, 3)],
        "who text; n bigint; pay bigint",
        [("Rose", 1, 1), ("Bo", 2, 2)],
    ),
    "a footnote": ([*CREW, (None, None), ("Source: the office", None)], IDS, FOUND),
    "names twice": (
        [("a", "a"), (1, 2)],
        "a bigint; a_2 bigint",
        [(1, 2)],
    ),
    "no names": (
        [(1, "Rose"), (2, "Bo")],
        "column_1 bigint; column_2 text",
        [(1, "Rose"), (2, "Bo")],
    ),
    "years as names": (
        [("land", 2023, 2024), ("CH", 1, 2)],
        "land text; 2023 bigint; 2024 bigint",
        [("CH", 1, 2)],
    ),
    "empty columns before": (
        [(None, None, "id", "who"), *((None, None, *row) for row in FOUND)],
        IDS,
        FOUND,
    ),
    "another table below": (
        [*CREW, (None, None), ("town", "km"), ("Rome", 2)],
        IDS,
        FOUND,
    ),
    "the names again": ([*CREW, (None, None), *CREW], IDS, [*FOUND, *FOUND]),
    "a column of nothing": (
        [("a", None, "b"), (1, None, 2), (3, None, 4)],
        "a bigint; b bigint",
        [(1, 2), (3, 4)],
    ),
}
# Each of them as a sheet, in their order, as xlwt wrote them.
XLS = zlib.decompress(
    base64.b64decode(
        "eNrtW1tsVEUY/udc9tLLbnd7L9CuDbZQIekFaKmFIqjlhQaBiDEmuu1u06aXxbZY6wOi2EQfTIw+aQgJRkl8QXzx"
        "EiXRxAcTjBh90BiMrRKj4YkEE0Og6//Pmenu7J4D26R023qmOXPmm/PPnNn5/svMbPf7y6HZsx/VzEFG2g06zCf9"
        "4EmrY3hVS1AC+DyZpKK8V+GVdNOqSn4fEukx4fPib73EIfE9BxpcML7CHOB3vJ6CY9CbGItHljHt5WOIMhrDLrYJ"
        "dU9DjTTAxBF6wQd+KIBCKIJiCEAQlTEEYSiFMjiNcgHUUmoX5nk/z0t5/iHv7wue7+E1r/N8F8rOsifhcndvU4fQ"
        "9Se0ev4sgDmDT3ibX3hNC5TDN6TrL77BLFkTHhofio6slQe1RhG8h9MMPfGx+DjhILyPEw7TmLaOjm6NxWqNKjiH"
        "s5pWFRkc7Bwd7ZyYmEUePNjBP8kIwA3pML6MuPXLW88A6/9V670O9T4k2K7ejyxn1r+lGQAnIfkMI8uYQcXYz8OE"
        "BoebCXX5BGohdMMvUCuhNwsFaiP0eLFA2whVBAXaTui7EoF2EBoIC9ROqKlMoA5C4QqBds6gT7haSUjHtzcTvFkt"
        "YQvBovUSthKsr5WwjeCFOgm3EXz4Pgm3E/yrXsIdBK9slLCdYHOjhB18GJsl3HkLrkAvgjo+ShiK6QBTgwmcxEOJ"
        "iTjW7E1gtm8ajTCKV58BrNN40Og1egwGrPgI4r+Rgq6fX/sNbTIaaYh09e3G1kOTjRPYVf2z9dg8MYxNxxDGotMI"
        "o5Mo0J+IxbGmubkda1paUeA5vJ5HCvaNx6ciiYHIgeg0ChyLTpsARxKT0RGc5sOJ4+P98c7I5GAcRQaG+uPY1Uh0"
        "LEaD3I/lycTUGJaHR/knGI2jYwArjpQocaSYe84izGPoo6kc4v6zBLXt1gfXfzjQd7D7aV5zEnwLK4z7SbsgCS9R"
        "C2wc4E8MsDgGaOL5Azx/mfe6jpdreF6GPgzvDQfLReHRU1zmFf60Ad/TxtOP3Y1p5U1Ynrn22Ke1M390b8by+Z65"
        "F8rO/9R9FurRAmLYnv5OwRa2hb3zNqXPuuWdiTjzK8+rs2KOTysRY0+KZVQQbpMzxRTiuYVodpiQZxnyJ7QCXhfi"
        "80rybGE2SV6zkde4fIGQt2ZfF/K6jbzO5QNCXufyNOu7tTB8TJ1hxEyl5eBcX6OcmwrnHgfOL+I7UpyH4BKXt2P7"
        "ohhNCG7iii4ER9sSG5jFG+SPN7aKeWOOvEmm0iV0/NwWU6ePw6tdV9tPSJaYrU1eklYFrlUtnVV5FavyOViV5TtJ"
        "3q940gIHT2r5TpIvVDxpkcvhPeCwWOEw4MChqfkEh0xExnQ/qtlIayLWWjYo+Xb5W2r+gjnxJyNbGM58rQnm7hzZ"
        "pKTVc/5409YobyU58SbjXCkMDAycu77xzz2q9bn2tNS8hHLiJRXTwsLH3dkjpmJa6QryiWt1h1e2KJ8oV/vOPjHF"
        "XnkWe3Z7O+rZ2ttd0+UOj7k8L+Oujjnu5J337rkxGliw+nwy6ln1jNrv9yru6j9B2ROwu56ueJTTFTkCw0beUE5v"
        "DOX0xrSRN5XTG1M9vcmjneurWCt0W61gWf7cQrQ+rUyzet02QlP/lq9niq/XFjRNt9U0XbRLeYaQeKvUuMx2lsZV"
        "iRih8/EF8qoRHvcMN09nuNJrZPo5y2tU51UrtP/FesDMcd3n7nCXkg2yCVBsDhSbc7bRAsVG9RVgIWsvktaImGZx"
        "cqaO6t6tkzHNOYaus4mhVizM72pH4/lq5cjI4khTYpueEduMLLvRlNimZ8Q2Iyu2aUps0zNim5EV2zQltul5X+F6"
        "3fVMntczmu16Zr2yC9og5D028pbvqBVrZM8KOAXzuzq1InUKFJ1iDjplaVH6+D3K+L028l5l/F5l/D4beZ8yft8K"
        "2Onra3R9Yip7e4/D3l7V2VQkTP9GWbfV2cDC+a0mTvGcOXSTm9zkpqVOTKw2dLGHMUV8oEDhE+sR8j/03y9FPG4A"
        "91tB6ycgPDKGuT8F/k0XfSdF5+aV4ncht/Gad39msWLTIUjg3yRE4BEYw/s4TC9KfyrAZLIvlmMb+XshSkfx7eMw"
        "DH18HMOL1l+M7yz98+TcsHnpTGix759fzDjv8fv/A1Xa0Ww="
    )
)


def _xlsx(path: Path, rows: Rows) -> None:
    xlsx(path, rows_of(*rows))


def _xls(path: Path, _: Rows) -> None:
    path.write_bytes(XLS)


KINDS: dict[str, Callable[[Path, Rows], object]] = {
    "xlsx": _xlsx,
    "xlsb": xlsb,
    "xls": _xls,
    "ods": ods_of,
}
