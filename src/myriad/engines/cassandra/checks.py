"""What `myriad doctor` looks at for Cassandra, where the home has one or is to have one."""

from collections.abc import Iterator

from myriad.engines.cassandra import announcement, status
from myriad.engines.cassandra.nodes import configuration, jars, java, layout
from myriad.home.home import Home
from myriad.machine import resources
from myriad.machine.findings import GOOD, WARNING, WRONG, Finding
from myriad.machine.process import EngineUser
from myriad.settings import Settings
from myriad.wording import number_of

CHECK = "cassandra"
SEE = "See `myriad logs --cassandra N`."


def examine(home: Home, settings: Settings, user: EngineUser | None) -> Iterator[Finding]:
    """Yield what is good and what is not; nothing where Cassandra is no matter."""
    said = announcement.read(home)
    if said is None and settings.cassandra_at:
        yield Finding(CHECK, GOOD, f"the one at {settings.cassandra_at} is to be used; not tried")
    count = layout.nodes(home, settings)
    if count and not settings.cassandra_at:
        yield from _machine(home, settings, count, user)
    if said is not None:
        yield from _nodes(home)


def _machine(
    home: Home, settings: Settings, count: int, user: EngineUser | None
) -> Iterator[Finding]:
    # Nothing is copied before the first start.
    found = java.find(
        settings.java, home.folder / "programs", user if home.folder.exists() else None
    )
    yield Finding(CHECK, GOOD, f"Java {found.version} in {found.program} ({found.origin})")
    there, wanted = jars.cached(settings.cache)
    folder = jars.cache(settings.cache)
    if there == wanted:
        yield Finding(CHECK, GOOD, f"its {wanted} jars are in {folder}")
    else:
        yield Finding(
            CHECK,
            WARNING,
            f"{wanted - there} of its {wanted} jars are not in {folder}",
            "They are taken from ~/.m2 or fetched at the next start, which needs a network.",
        )
    have = resources.measure(home.folder if home.folder.exists() else home.folder.parent)
    heap = configuration.heap_mb(settings, count, have)
    need = count * (heap + configuration.BESIDES_HEAP_MB)
    nodes = f"{number_of(count, 'node')} with a heap of {heap:,} MB"
    text = f"{nodes}: about {need:,} of {have.memory_mb:,} MB"
    if need > have.memory_mb:
        yield Finding(CHECK, WRONG, text, "Set `cassandra_heap_mb` to less, or run fewer nodes.")
    else:
        yield Finding(CHECK, GOOD, text)


def _nodes(home: Home) -> Iterator[Finding]:
    now = status.look(home)
    assert now is not None  # noqa: S101 - it was announced a moment ago
    for node in now.nodes:
        text = f"node {node.number} ({node.address}) is {node.state}"
        if node.state != announcement.READY:
            remedy = SEE if node.state != announcement.LOST else status.REPLACE % node.number
            yield Finding(CHECK, WRONG, f"{text}: {node.problem}", remedy)
        elif node.hints:
            yield Finding(
                CHECK,
                WARNING,
                f"{text} and holds back {node.hints:,} files of writes for others",
                "They are sent when the others are back; look again then.",
            )
        else:
            yield Finding(CHECK, GOOD, text)
    versions = {node.version for node in now.nodes if node.version}
    if len(versions) > 1:
        yield Finding(
            CHECK,
            WARNING,
            f"its nodes run different versions: {', '.join(sorted(versions))}",
            "Restart them one by one: myriad cassandra restart --rolling.",
        )
