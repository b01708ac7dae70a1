"""Files of the home that only their owner may read."""

import json
import os
import secrets
import tempfile
from pathlib import Path


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file that only its owner may read, at once and durably (0600)."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:  # mkstemp makes it 0600
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def secret(path: Path) -> bytes:
    """Return the secret in a file, made now if there is none: the same after each start."""
    try:
        return bytes.fromhex(json.loads(path.read_text())["secret"])
    except (OSError, ValueError, KeyError):
        made = secrets.token_bytes(32)
        write_private(path, json.dumps({"secret": made.hex()}))
        return made
