"""A spool filled from a file, as a publish to Cassandra fills it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myriad.model import Key
from myriad.publish import plan
from myriad.publish.cassandra.look import kinds
from myriad.publish.cassandra.look.kinds import CqlColumn
from myriad.publish.cassandra.look.proof import Proof
from myriad.publish.cassandra.look.spool import Spool
from myriad.publish.keys import parse
from myriad.publish.options import Options
from myriad.publish.reading import Reading
from myriad.publish.rejects import Rejects
from myriad.sources.base import Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions


@dataclass
class Spooled:
    """A table in a spool, its columns and its proof."""

    spool: Spool
    columns: list[CqlColumn]
    rejects: Rejects

    @property
    def proof(self) -> Proof:
        return Proof(self.spool, self.columns)

    def types(self) -> dict[str, str]:
        return {column.name: str(column.type) for column in self.columns}

    def why(self, name: str) -> str:
        return next(column.why for column in self.columns if column.name == name)

    def values(self, name: str) -> list[Any]:
        """Return a column's values as the loader gets them, in the order of the first column."""
        (column,) = [column for column in self.columns if column.name == name]
        found = self.spool.sorted([column.select], ["c0"])
        return [value for batch in found for value in column.loaded(batch.column(0)).to_pylist()]

    def prove(self, key: str) -> Key:
        """Prove a key as a publish does; raises KeyRefused."""
        parsed = parse(key)
        proof = self.proof
        proof.set_aside(parsed, self.rejects)
        proof.refuse_loss(parsed)
        return parsed


@contextmanager
def spooled(
    folder: Path,
    name: str,
    content: str | bytes,
    *,
    max_rejects: int = 0,
    nulls: tuple[str, ...] = (),
) -> Iterator[Spooled]:
    """Write a file of that name and spool it; all of it goes at the end."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    options = Options(read=ReadOptions(nulls=nulls))
    workspace = Workspace(folder, 150)
    sources = open_sources([path], lambda _: options.read, workspace)
    (target,) = plan.targets(sources, options, {})
    rejects = Rejects(folder / "rejects.jsonl", max_rejects)
    spool = Spool(workspace, 0)
    try:
        spool.fill(Reading(target, rejects, lambda _: None, "reading"))
        yield Spooled(spool, kinds.decide(spool, "ks"), rejects)
    finally:
        spool.close()
        for source in sources:
            source.close()
