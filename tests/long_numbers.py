"""Numbers of more digits than machines have, in every format that can hold them."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS = [
    Decimal("123456789012345678901234567890123456789012345678.0123456789"),
    Decimal("-" + "9" * 48 + ".9999999999"),
    Decimal("1E-10"),
    Decimal(-10000),
    Decimal("10000.0001"),
    Decimal(0),
    None,
]


def _csv(path: Path) -> None:
    lines = (f"{at},{'' if n is None else format(n, 'f')}" for at, n in enumerate(NUMBERS))
    path.write_text("id,n\n" + "\n".join(lines) + "\n")


def _comma(path: Path) -> None:
    numbers = ("" if n is None else format(n, "f").replace(".", ",") for n in NUMBERS)
    path.write_text("id;n\n" + "".join(f"{at};{n}\n" for at, n in enumerate(numbers)))


def _jsonl(path: Path) -> None:
    shown = ("null" if n is None else format(n, "f") for n in NUMBERS)
    path.write_text("".join(f'{{"id": {at}, "n": {n}}}\n' for at, n in enumerate(shown)))


def _exponents(path: Path) -> None:
    shown = ("null" if n is None else f"{n:e}" for n in NUMBERS)
    path.write_text("[" + ",".join(f'{{"id":{at},"n":{n}}}' for at, n in enumerate(shown)) + "]")


def _parquet(path: Path) -> None:
    column = pa.array(NUMBERS, pa.decimal256(58, 10))
    pq.write_table(pa.table({"id": range(len(NUMBERS)), "n": column}), path)


FILES: dict[str, Callable[[Path], None]] = {
    "t.csv": _csv,
    "comma.csv": _comma,
    "t.jsonl": _jsonl,
    "t.json": _exponents,
    "t.parquet": _parquet,
}
