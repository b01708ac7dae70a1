"""Patterns that the door looks for in texts: none takes much longer than the text is long."""

import subprocess
import sys

import pytest

MOST_SECONDS = 60  # each takes some milliseconds, or, should its time grow with the square, hours
LOOK = """
import sys
from myriad.door.server import statements
from myriad.door.verdict import masking
begin, piece, end = (part.encode() for part in sys.argv[1:])
text = begin + piece * (1_000_000 // len(piece)) + end
masking.tells(text)
statements._MOMENTS.search(text)
"""


@pytest.mark.parametrize(
    ("begin", "piece", "end"),
    [
        ("SELECT '://", ":", "'"),
        ("SELECT '", "://a:", "'"),
        ("CREATE ROLE", " ", ";"),
        ("CREATE ROLE", " if not exists", " ;"),
        ("SET ", "a.", " "),
        ("SET", " ", "-"),
        ("SELECT ", "now ", "("),
    ],
)
def test_a_hostile_text_takes_time_in_proportion(begin: str, piece: str, end: str) -> None:
    command = [sys.executable, "-c", LOOK, begin, piece, end]
    subprocess.run(command, check=True, timeout=MOST_SECONDS)
