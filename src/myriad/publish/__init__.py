"""Publish sources: plan → load → swap → report."""

from myriad.publish.options import Options, Progress, Step, parse_keys
from myriad.publish.publish import publish
from myriad.publish.report import Report, TableReport

__all__ = ["Options", "Progress", "Report", "Step", "TableReport", "parse_keys", "publish"]
