"""Tell which tables came from a source before and do not come from it now."""

from collections.abc import Iterator, Mapping, Sequence

from myriad.publish.plan import Target
from myriad.publish.whence import Came


def left_behind(
    targets: Sequence[Target], published: Mapping[str, Came]
) -> Iterator[tuple[Target, str]]:
    """Yield tables of the same dataset that would get old, each with one that comes in its stead.

    `published`: as which tables were published, see `Target.came`.
    """
    coming = {target.name for target in targets}
    called: dict[str | None, list[Target]] = {}  # of a thousand files each pair were a million
    for target in targets:
        called.setdefault(target.came["table"], []).append(target)
    for name, before in published.items():
        if name not in coming:
            near = called.get(before.get("table"), ())
            of_same = (target for target in near if _same(target.came, before, name))
            for target in of_same:
                yield target, name
                break


def _same(now: Came, before: Came, name: str) -> bool:
    """Say whether what comes now is what `name` came of.

    A file of the same name is the same source to tables that are called after it, from whichever
    folder; members of archives and tables of databases are only called by their own names.
    """
    own = name == now["table"] or name.startswith(f"{now['table']}_")
    parts = [part for part in now if part != "path" and (part != "source" or not own)]
    return all(now[part] == before.get(part) for part in parts)
