"""Types that last: what a column was asked to be, or is already, and what its values need."""

from dataclasses import replace

from myriad.model import MAX_DIGITS, Column, Kind, Type

WHOLE = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
# Every value of a kind is one of those after it too.
_WIDER = ((*WHOLE, Kind.NUMERIC), (Kind.REAL, Kind.DOUBLE))
NO_VALUES = "no values"


def as_asked(column: Column, kind: Type, there: Type | None, *, strict: bool) -> Column:
    """Return the column with the type that a person gave it; `there` is what the table has."""
    if there is not None and there.kind is kind.kind is Kind.DATE:
        return as_there(column, there, strict=strict)  # which knows how they were written
    return replace(column, type=_carrying(kind, column), why=f"as asked for; {column.why}")


def as_there(column: Column, there: Type, *, strict: bool) -> Column:
    """Return the column with the type that the table has, or a wider one that its values need.

    `strict`: values that fit neither are misfits; else the column takes the type they have.
    """
    column = replace(column, order=column.type.format or there.format)
    if wider(column.type, there):
        return column
    if strict or column.why == NO_VALUES or _holds(there, column.type):
        kind = _carrying(there, column)
        before = f"as before{_written(kind)}; {column.why}"
        kept = column.why if kind == column.type else before
        return replace(column, type=kind, why=kept)
    return column


def _written(kind: Type) -> str:
    return f", written {kind.format}" if kind.format else ""


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
    if there.kind is kind.kind:
        return not _two_orders(there, kind)
    return wider(there, kind) or there.kind is Kind.TEXT


def _two_orders(one: Type, two: Type) -> bool:
    """Say whether dates are written in two orders, such as 31/12/2024 and 12/31/2024."""
    return bool(one.format and two.format and one.format != two.format)


def _carrying(kind: Type, column: Column) -> Type:
    """Return `kind` with what batches need to carry this column's values in it."""
    if kind.kind is column.type.kind and not (kind.declared or _two_orders(kind, column.type)):
        return column.type  # with the order of its dates, the places of its decimals
    if kind.kind is not Kind.NUMERIC or kind.declared:
        return kind
    places = 0 if column.type.kind in WHOLE else min(column.places, MAX_DIGITS)
    return Type(Kind.NUMERIC, MAX_DIGITS, places)
