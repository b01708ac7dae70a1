"""A run that changed tables, or tried to, as the history tells of it in either engine."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from myriad.errors import ContractRefused, WouldBeLost
from myriad.machine.process import account

MOST_ERROR = 2000  # characters of an error that are kept


@dataclass
class Run:
    """One run in one dataset: what it is, and since when."""

    dataset: str
    kind: str = "publish"
    tables: Sequence[str] = ()
    sources: Sequence[str] = ()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def values(self) -> dict[str, Any]:
        """Return what the record has of every run."""
        return {
            "run": self.id,
            "started": self.started,
            "dataset": self.dataset,
            "kind": self.kind,
            "account": account(),
            "tables": sorted(map(storable, self.tables)),
            "sources": [storable(source) for source in self.sources],
        }


def storable(text: str) -> str:
    """Return what PostgreSQL can hold of a text, such as a file's name."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")


def outcome(error: BaseException) -> str:
    """Say whether an error is a no that can be overruled, or anything else."""
    return "refused" if isinstance(error, (ContractRefused, WouldBeLost)) else "failed"
