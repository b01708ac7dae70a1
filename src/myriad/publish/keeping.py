"""How much of before is kept, in either engine."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from myriad.publish.report import MB
from myriad.settings import Settings

DAY = 86_400  # seconds


@dataclass(frozen=True)
class Keeping:
    """How much is kept of before.

    Attributes:
        versions: of each table, besides what is shown.
        most: bytes of all together in one database; None: any.
        days: how long what is unpublished can be had.
    """

    versions: int
    most: int | None
    days: float

    @classmethod
    def of(cls, settings: Settings, folder: Path | None) -> "Keeping":
        """Return what the settings say; `folder` lies on the disk of the data, None: not known."""
        bounds = [settings.versions_megabytes * MB] if settings.versions_megabytes else []
        if folder is not None and settings.versions_disk_percent:
            total = shutil.disk_usage(folder).total
            bounds.append(int(total * settings.versions_disk_percent / 100))
        most = min(bounds) if bounds else None
        return cls(settings.versions, most, settings.unpublished_days)
