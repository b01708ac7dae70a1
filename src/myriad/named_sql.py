"""SQL in `.sql` files: each statement under a line `-- name: something`."""

import re
from importlib.resources import files


def load(package: str, file: str) -> dict[str, str]:
    """Return the statements of `file` in `package` by name; comments above them stay in them."""
    parts = re.split(
        r"^-- name: (\w+)\n", files(package).joinpath(file).read_text("utf-8"), flags=re.MULTILINE
    )
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
