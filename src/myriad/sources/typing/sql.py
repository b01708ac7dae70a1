"""Names and values as DuckDB's SQL has them."""


def quoted(name: str) -> str:
    """Return `name` as an identifier of DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return `value` as a string of DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"


def matches(pattern: str, column: str) -> str:
    """Return the SQL that says whether the whole of a text matches a regular expression of RE2."""
    return f"regexp_full_match({column}, {literal(pattern)})"
