"""Numbers of more digits than Arrow's and DuckDB's decimals have: as text, exact or refused."""

from decimal import Context, Decimal, Inexact, InvalidOperation

from myriad.model import Type
from myriad.sources.typing.sql import matches

_PLAIN = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"


def text_of(number: Decimal | int, kind: Type) -> str | None:
    """Return a number as batches carry it for a long type; None if that does not hold it."""
    exact = Context(prec=kind.precision, traps=[Inexact, InvalidOperation])
    try:
        made = exact.quantize(Decimal(number), Decimal((0, (1,), -kind.scale)))
    except (Inexact, InvalidOperation):
        return None
    return format(made or abs(made), "f")


def fits(column: str, kind: Type) -> str:
    """Return the SQL that is true for plain decimals which a long type holds."""
    # By their lengths: RE2 counts no further than to 1,000.
    whole = f"length(split_part(ltrim({column}, '-'), '.', 1))"
    small = f"split_part(ltrim({column}, '-'), '.', 1) = '0'"
    places = f"length(split_part({column}, '.', 2))"
    zero = matches(r"-0(\.0+)?", column)
    return (
        f"({matches(_PLAIN, column)} AND NOT {zero} AND {places} <= {kind.scale}"
        f" AND ({small} OR {whole} <= {kind.precision - kind.scale}))"
    )


def cast(column: str, kind: Type) -> str:
    """Return the SQL of such a decimal with exactly as many places as the type has; else null."""
    mark = f"CASE WHEN contains({column}, '.') THEN '' ELSE '.' END" if kind.scale else "''"
    missing = f"{kind.scale} - length(split_part({column}, '.', 2))"
    padded = f"{column} || {mark} || repeat('0', {missing})"
    return f"CASE WHEN {fits(column, kind)} THEN {padded} END"
