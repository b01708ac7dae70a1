"""Let only one run at a time change a table."""

from collections.abc import Iterable

import psycopg

from myriad.errors import PublishError


def claim(connection: psycopg.Connection, dataset: str, names: Iterable[str]) -> None:
    """Let nobody else change these tables until the transaction ends; raises PublishError."""
    for name in sorted(names):
        key = f"publish {dataset}.{name}"
        row = connection.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [key]
        ).fetchone()
        if not (row and row[0]):
            raise PublishError(
                f"{dataset}.{name} is being published by somebody else right now",
                hint="Wait until that publish has ended.",
            )
