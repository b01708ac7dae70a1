"""Sources become tables: what both engines share; each one's own is in its folder."""

from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Progress, Step, silent
from myriad.publish.publish import Engines, publish
from myriad.publish.report import Report, TableReport

__all__ = [
    "Engines",
    "Options",
    "Progress",
    "Report",
    "Step",
    "TableReport",
    "parse_keys",
    "publish",
    "silent",
]
