"""MongoDB's files: their documents, as another process turned them into Extended JSON."""

from pathlib import Path

from myriad.errors import SourceEmpty
from myriad.sources.apart.process import Reader
from myriad.sources.base import TableSource, Workspace
from myriad.sources.jsonl.source import Given, open_given
from myriad.sources.options import ReadOptions

READER = Reader("myriad.sources.bson.reader", "BSON", "bson", "mongo")


def open_bson(
    path: Path, origin: str, workspace: Workspace, *, name: str, options: ReadOptions
) -> list[TableSource]:
    """Open a file of documents, or an archive: a table for each collection. Raises SourceError."""
    if path.stat().st_size == 0:
        raise SourceEmpty(origin)
    answer, folder = READER.read(path, origin, workspace, {})
    made: list[TableSource] = []
    try:
        for table in answer["tables"]:
            given = Given(
                folder / table["file"],
                origin,
                table["name"] or name,
                unit="document",
                extended=True,
            )
            made += open_given(given, options, workspace)
    except BaseException:
        for source in made:
            source.close()
        raise
    if not made:
        raise SourceEmpty(origin)
    return made
