"""Types that last: what a column was asked to be, or is already, and what its values need."""

from dataclasses import replace

from myriad.model import Column, Kind, Type

MAX_DIGITS = 38  # of Arrow's decimal128
WHOLE = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
# Every value of a kind is one of those after it too.
_WIDER = ((*WHOLE, Kind.NUMERIC), (Kind.REAL, Kind.DOUBLE))
NO_VALUES = "no values"


def as_asked(column: Column, kind: Type) -> Column:
    """Return the column with the type that a person gave it."""
    return replace(column, type=_carrying(kind, column), why=f"as asked for; {column.why}")


def as_there(column: Column, there: Type, *, strict: bool) -> Column:
    """Return the column with the type that the table has, or a wider one that its values need.

    `strict`: values that fit neither are misfits; else the column takes the type they have.
    """
    if wider(column.type, there):
        return column
    if strict or column.why == NO_VALUES or _holds(there, column.type):
        kind = _carrying(there, column)
        kept = column.why if kind.kind is column.type.kind else f"as before; {column.why}"
        return replace(column, type=kind, why=kept)
    return column


def wider(new: Type, old: Type) -> bool:
    """Say whether `new` holds all values of `old` and more.

    Where digits are declared, only others that are declared can be more: a person's are not asked
    about here, for their recipe has them.
    """
    if old.declared:
        return new.declared and new != old and _more_digits(new, old)
    return any(
        new.kind in order and old.kind in order and order.index(new.kind) > order.index(old.kind)
        for order in _WIDER
    )


def _more_digits(new: Type, old: Type) -> bool:
    return new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale


def _holds(there: Type, kind: Type) -> bool:
    if there.declared:
        whole = there.precision - there.scale
        fits = kind.precision - kind.scale <= whole and kind.scale <= there.scale
        return kind.declared and fits
    return there.kind is kind.kind or wider(there, kind) or there.kind is Kind.TEXT


def _carrying(kind: Type, column: Column) -> Type:
    """Return `kind` with what batches need to carry this column's values in it."""
    if kind.kind is column.type.kind and not kind.declared:
        return column.type  # with the order of its dates, the places of its decimals
    if kind.kind is not Kind.NUMERIC or kind.declared:
        return kind
    places = 0 if column.type.kind in WHOLE else min(column.places, MAX_DIGITS)
    return Type(Kind.NUMERIC, MAX_DIGITS, places)
