"""Take published tables away: they are put away as versions, or dropped for good."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from myriad.errors import PublishError, SchemaRefused
from myriad.model import Table
from myriad.publish.postgres import existing, record, versions
from myriad.publish.postgres.existing import Existing
from myriad.publish.postgres.patience import Patience
from myriad.publish.postgres.swap import Replacement, swap


@dataclass(frozen=True)
class Removal:
    """Tables of one dataset that are taken away together."""

    connection: psycopg.Connection
    dataset: str
    names: Sequence[str]
    patience: Patience

    def take_away(self, *, purge: bool) -> dict[str, int | None]:
        """Take the tables away, in the caller's transaction; return the versions they are then.

        `purge`: nothing of them is kept. Raises SchemaRefused that names what depends on them,
        SwapBlocked.
        """
        existing.refuse_foreign_dataset(self.connection, self.dataset)
        versions.query(self.connection, "hold", dataset=self.dataset, names=list(self.names))
        there = self._there()
        for name in self.names:
            if name not in there and self._newest(name) is None:
                raise PublishError(
                    f"no table {self.dataset}.{name} is published, and no version of it is kept",
                    hint="`myriad list` shows what there is, `myriad history` what there was.",
                )
        self._refuse_dependents(there)
        gone = self.replacements(purge=purge)
        kept = swap(self.connection, gone, self.patience).kept
        for name in self.names:
            forget(self.connection, self.dataset, name, kept.get(name), purge=purge)
        versions.drop_unused(self.connection)
        return {name: self._newest(name) for name in self.names}

    def replacements(self, *, purge: bool = False) -> list[Replacement]:
        """Return what a swap needs to put the tables away, or to drop them."""
        return [self._gone(name, table, purge=purge) for name, table in self._there().items()]

    def _there(self) -> dict[str, Existing]:
        """Return those that are published and there; raises SchemaRefused for somebody else's."""
        found = {}
        for name in self.names:
            if record.made(self.connection, self.dataset, name) is not None:
                table = existing.find(self.connection, self.dataset, name)
                if table is not None:
                    found[name] = table
        return found

    def _gone(self, name: str, table: Existing, *, purge: bool) -> Replacement:
        made = record.made(self.connection, self.dataset, name) or []
        keep = "" if purge else versions.new_name()
        return Replacement(self.dataset, "", Table(name, name, ()), table.oid, keep=keep, made=made)

    def _refuse_dependents(self, there: dict[str, Existing]) -> None:
        """Raise SchemaRefused that names all that would be lost with the tables."""
        oids = [table.oid for table in there.values()]
        views = [
            f"{'materialized ' if view['kind'] == 'm' else ''}view {view['schema']}.{view['name']}"
            for view in existing.query(self.connection, "views", oids=oids)
        ]
        references = existing.query(self.connection, "references", oids=oids, but=oids)
        holders = [reference["holder"].replace('"', "") for reference in references]
        found = [
            *views,
            *(f"foreign key {each['name']} of {each['holder']}" for each in references),
        ]
        for name, table in there.items():
            made = record.made(self.connection, self.dataset, name) or []
            rows = existing.query(self.connection, "obstacles", oid=table.oid, made=made)
            found += [f"{row['?column?']} of {self.dataset}.{name}" for row in rows]
        if found:
            raise SchemaRefused(
                f"this depends on {self.dataset}.{', '.join(there)}: {', '.join(found)}",
                hint="Nothing was changed. " + self._before(views, there, holders),
            )

    def _before(self, views: Sequence[str], there: Iterable[str], holders: Sequence[str]) -> str:
        """Return what is to be done with what depends on the tables."""
        if not holders:
            return "Drop it first."
        names = dict.fromkeys((*(f"{self.dataset}.{name}" for name in there), *holders))
        also = " when the views are dropped" if views else ""
        return f"`myriad unpublish {shlex.join(names)}` takes all of these tables away{also}."

    def _newest(self, name: str) -> int | None:
        found = versions.query(self.connection, "newest", dataset=self.dataset, name=name)
        return found[0]["number"] if found else None


def forget(
    connection: psycopg.Connection,
    dataset: str,
    name: str,
    kept: versions.Kept | None,
    *,
    purge: bool,
) -> None:
    """Take a table out of the record; of its versions only what was shown last can be had."""
    place = {"dataset": dataset, "name": name}
    if kept is not None:
        versions.keep(connection, dataset, name, kept)
        versions.query(connection, "unpublished", relation=kept.relation, **place)
    if purge:
        versions.query(connection, "purge", **place)
    versions.query(connection, "unpublish", **place)
