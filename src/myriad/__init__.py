"""Publish an organisation's data once; ten thousand people reach it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from myriad.api import Myriad, open  # noqa: A004 - `myriad.open(home)`, as `gzip.open(file)`

    __version__: str
else:

    def __getattr__(name: str) -> object:
        """Load what is asked for: the door imports this package, and should stay small."""
        if name in {"Myriad", "open"}:
            from myriad import api  # noqa: PLC0415

            return getattr(api, name)
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            return version("myriad-db")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Myriad", "__version__", "open"]
