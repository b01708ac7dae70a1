"""Tables that hide each other: sessions look a short name up in all that somebody was granted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from myriad import named_sql
from myriad.people.register import Register
from myriad.people.tables import SQL

_SCHEMAS = named_sql.load("myriad", "schemas.sql")["schemas"]
_TABLES = """
    SELECT relname::text, array_agg(nspname::text)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname = ANY(%s)
    GROUP BY relname HAVING count(*) > 1 AND bool_or(nspname = ANY(%s))
    ORDER BY relname LIMIT %s"""
MOST = 1000


@dataclass(frozen=True)
class Hidden:
    """A table's short name means that of the dataset `found`, not that of `hidden`."""

    table: str
    found: str
    hidden: str


def between(
    register: Register, groups: Sequence[str], datasets: Sequence[str], database: str | None
) -> list[Hidden]:
    """Return what somebody of these groups finds by a short name, and what not, by table.

    One of the two is in these datasets. A thousand at most.
    """
    settings = register.settings
    with register.read() as connection:
        beside = {name for (name,) in connection.execute(SQL["beside"], {"groups": list(groups)})}
    with register.server.connect(database or settings.database) as connection:
        found = connection.execute(_SCHEMAS).fetchall()
        readable = {
            name
            for name, makers, readers in found
            if not makers and (name == settings.dataset or not beside.isdisjoint(readers))
        }
        values = [sorted(readable), list(datasets), MOST]
        rows = connection.execute(_TABLES, values).fetchall()

    def order(name: str) -> tuple[bool, str]:
        return name != settings.dataset, name

    pairs = (
        Hidden(table, *sorted((one, other), key=order))
        for table, places in rows
        for one in set(datasets).intersection(places)
        for other in places
        if other != one
    )
    return sorted(set(islice(pairs, MOST)), key=lambda each: (each.found, each.hidden, each.table))
