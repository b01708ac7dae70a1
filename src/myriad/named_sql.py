"""SQL in `.sql` files: each statement under a line `-- name: something`."""

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

Row = dict[str, Any]


class Statements(dict[str, str]):
    """The statements of one file by name; comments above them stay in them."""

    def query(
        self, connection: "psycopg.Connection", statement: str, /, **values: object
    ) -> list[Row]:
        """Run one of them; return its rows by column, none where it gives none."""
        from psycopg.rows import dict_row  # noqa: PLC0415 - the door has none of it in its memory

        with connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(self[statement], values)
            return cursor.fetchall() if cursor.description else []


def load(package: str, file: str) -> Statements:
    """Return the statements of `file` in `package`."""
    parts = re.split(
        r"^-- name: (\w+)\n", files(package).joinpath(file).read_text("utf-8"), flags=re.MULTILINE
    )
    return Statements(
        {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    )
