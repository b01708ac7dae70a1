"""How DuckDB is told to read a file of text: nothing is left for it to guess."""

from collections.abc import Sequence
from pathlib import Path

from myriad.sources.csv.dialect import Dialect
from myriad.sources.typing.sql import literal

LINE_COLUMN = "line"  # of a copy in which each record has its line's number, and no header


def of(path: Path, dialect: Dialect, names: Sequence[str], nulls: Sequence[str], *more: str) -> str:
    """Return the expression that reads a file, or a copy with numbers, as columns of text."""
    numbered = names[0] == LINE_COLUMN
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    nothing = r"\N" if dialect.dump else ""
    words = ", ".join(literal(value) for value in (nothing, *nulls))
    settings = (
        "auto_detect=false",
        f"columns={{{columns}}}",
        f"header={'false' if numbered else str(dialect.header).lower()}",
        f"skip={0 if numbered else dialect.blank}",
        f"delim={literal(dialect.delimiter)}",
        f"quote={literal(dialect.quote)}",
        f"escape={literal(dialect.quote)}",
        f"nullstr=[{words}]",
        "allow_quoted_nulls=false",
        "strict_mode=true",
        "comment=''",
        *more,
    )
    return f"read_csv({literal(str(path))}, {', '.join(settings)})"
