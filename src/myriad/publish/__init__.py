"""Publish sources: plan → load → swap → report."""

from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Progress, Step
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
]
