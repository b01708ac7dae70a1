"""What importing the package costs: the door is one process for ten thousand people."""

import subprocess
import sys

import pytest

import myriad

HEAVY = ("psycopg", "click", "duckdb", "pyarrow", "cryptography", "rich")


def loaded(statement: str) -> str:
    code = f"{statement}\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    return subprocess.check_output([sys.executable, "-c", code], text=True).strip()


def test_the_package_itself_loads_nothing_heavy() -> None:
    assert loaded("import myriad, myriad.limits, myriad.settings, myriad.home.home") == "[]"


def test_the_package_shows_its_api() -> None:
    assert isinstance(myriad.open("/nowhere"), myriad.Myriad)
    assert myriad.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(myriad, "nothing")  # noqa: B009 - what mypy would refuse otherwise
