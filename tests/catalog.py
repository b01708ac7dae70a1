"""What PostgreSQL's catalog says of a table."""

from tests.publishing import Place


def rules(place: Place, table: str) -> set[str]:
    """Return the constraints and indexes of a table as PostgreSQL writes them."""
    constraints = place.ask(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype <> 'n'",
        [table],
    )
    indexes = place.ask(
        "SELECT CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END"
        " || substring(pg_get_indexdef(indexrelid) FROM 'USING.*')"
        " FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary",
        [table],
    )
    return {row[0] for row in (*constraints, *indexes)}


def not_null(place: Place, table: str) -> set[str]:
    rows = place.ask(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnotnull AND attnum > 0",
        [table],
    )
    return {row[0] for row in rows}
