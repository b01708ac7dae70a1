"""Publish an organisation's data once; ten thousand people reach it."""

from importlib.metadata import version

from myriad.api import Myriad, open  # noqa: A004 - `myriad.open(home)`, as `gzip.open(file)`

__version__ = version("myriad-db")
__all__ = ["Myriad", "__version__", "open"]
