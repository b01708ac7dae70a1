"""Types that last: what a column was asked to be, or is already, and what its values need."""

import shlex
from dataclasses import replace

from myriad.model import MAX_DIGITS, MOST_DIGITS, Column, Kind, Type, carried
from myriad.sources.options import Said
from myriad.sources.typing import all_forms, amounts
from myriad.sources.typing.words import DIGIT_FLAGS, EXCEL, THOUSAND
from myriad.wording import as_written

WHOLE = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
# Every value of a kind is one of those after it too.
_WIDER = ((*WHOLE, Kind.NUMERIC), (Kind.REAL, Kind.DOUBLE))
_WITH_POINT = (Kind.NUMERIC, Kind.REAL, Kind.DOUBLE)
NUMBERS = frozenset({*WHOLE, *_WITH_POINT})
DATES = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
NO_VALUES = "no values"
# How numbers are flags, or dates, where somebody says that they are.
_OF_NUMBERS = {Kind.BOOLEAN: DIGIT_FLAGS, Kind.DATE: EXCEL, Kind.TIMESTAMP: EXCEL}


def as_asked(column: Column, kind: Type, there: Type | None, *, strict: bool) -> Column:
    """Return the column with the type that a person gave it; `there` is what the table has."""
    if there is not None and there.kind is kind.kind is Kind.DATE:
        return as_there(column, there, strict=strict)  # which knows how they were written
    before = _form_before(kind, there)
    if before is None or (not strict and column.type.kind in NUMBERS):
        before = _form_asked(kind, column)
    kind = replace(kind, format=before)
    why = f"as asked for{_written(kind)}{_reason(kind, column)}"
    return replace(column, type=_carrying(kind, column), why=why)


def _form_before(kind: Type, there: Type | None) -> str | None:
    """Return the form that a column has, if it goes on in one where it becomes `kind`."""
    if there is None or not (there.kind is kind.kind or {there.kind, kind.kind} <= NUMBERS):
        return None
    # Whole numbers without a mark may have either; decimals without a form have a point.
    return suiting(kind, there.format) or ("" if there.kind in _WITH_POINT else None)


def as_there(column: Column, there: Type, *, strict: bool) -> Column:
    """Return the column with the type that the table has, or a wider one that its values need.

    `strict`: values that fit neither are misfits; else the column takes the type they have.
    """
    kept = _as_there(column, there, strict=strict)
    # Numbers are remembered in the form in which they are read, and in none that was not taken.
    numbers = kept.type.kind in NUMBERS
    order = kept.type.format if numbers else column.type.format or there.format
    return replace(kept, order=order)


def _as_there(column: Column, there: Type, *, strict: bool) -> Column:
    if wider(column.type, there) and not _two_forms(there, column.type):
        return column
    if strict or column.why == NO_VALUES or _holds(there, column.type):
        kind = _carrying(there, column)
        before = f"as before{_written(kind)}{_reason(kind, column)}{_changing(column, there)}"
        kept = column.why if kind == column.type and column.why != NO_VALUES else before
        return replace(column, type=kind, why=kept)
    return column


def decided(column: Column, there: Type | None, said: Said) -> bool:
    """Say whether a column that is text in the table has a type by what is said of values now.

    What was said before decides nothing again: a type gets no narrower by one day's values.
    """
    kind = column.type
    if there is None or there.kind is not Kind.TEXT:
        return False
    if kind.kind in DATES:
        return said.dates is not None and bool(kind.format)
    in_doubt = bool(kind.format) or column.places == THOUSAND  # else a point was no question
    return said.decimal is not None and kind.kind in (*WHOLE, Kind.NUMERIC) and in_doubt


def _written(kind: Type) -> str:
    return f", written {as_written(kind.format)}" if kind.format else ""


def described(kind: Type) -> str:
    """Return a type and how its values are written, as one is told whose values do not fit."""
    point = ", with a point before decimals" if kind.kind in _WITH_POINT else ""
    return f"{kind}{_written(kind) or point}"


def _reason(kind: Type, column: Column) -> str:
    """Return what the values are, but for why they would be text if nobody knew their form."""
    known = kind.kind is not Kind.TEXT and bool(kind.format or column.forms)
    if column.type.kind is Kind.TEXT and known and column.forms != (kind.format,):
        return ""
    return f"; {column.why}"


def _changing(column: Column, there: Type) -> str:
    """Say what would give a column another type than text, if its values have one."""
    if there.kind is not Kind.TEXT or column.type.kind is Kind.TEXT:
        return ""
    return f"; --type {shlex.quote(f'{column.original}={column.type}')} would make it that"


def suiting(kind: Type, *names: str) -> str:
    """Return the first name of a form in which values of a kind may be written; else nothing."""
    return next((name for name in names if all_forms.of(replace(kind, format=name))), "")


def form_of(there: Type, kind: Type) -> str:
    """Return the form in which values found to be `kind` are read for a column that is there."""
    names = (there.format,) if _two_forms(there, kind) else (there.format, kind.format)
    return suiting(there, *names)


def _form_asked(kind: Type, column: Column) -> str:
    """Return the form of values that would be something else if nobody had asked for the type."""
    if column.type.kind in NUMBERS:
        return suiting(kind, _OF_NUMBERS.get(kind.kind, ""), column.type.format)
    fitting = [name for name in column.forms if suiting(kind, name)]
    return fitting[0] if len(fitting) == 1 else ""


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
        return not _two_forms(there, kind)
    return wider(there, kind) or there.kind is Kind.TEXT


def _two_forms(there: Type, kind: Type) -> bool:
    """Say whether values are written in two forms, such as 31/12/2024 and 12/31/2024.

    Numbers of a table that has them in a form are read in no other: `1.234` would be another one.
    A form with a point takes plain decimals too, one with a comma does not.
    """
    if there.kind in WHOLE and not there.format:
        return False
    if there.kind in NUMBERS:
        plain_too = not there.format and amounts.common(there, kind) is not None
        return there.format != kind.format and not plain_too
    return bool(there.format and kind.format and there.format != kind.format)


def _carrying(kind: Type, column: Column) -> Type:
    """Return `kind` with what batches need to carry this column's values in it."""
    if kind.kind is column.type.kind and not (kind.declared or _two_forms(kind, column.type)):
        return column.type  # with the order of its dates, the places of its decimals
    form = form_of(kind, column.type)
    if kind.kind is not Kind.NUMERIC or kind.declared:
        return replace(kind, format=form)
    places = 0 if column.type.kind in WHOLE else min(column.places, MOST_DIGITS)
    return replace(with_places(column, places), format=form)


def with_places(column: Column, places: int) -> Type:
    """Return the numeric type that carries a column's numbers with so many places."""
    precision = carried(min(column.digits, MOST_DIGITS), places)
    return Type(Kind.NUMERIC, max(precision, MAX_DIGITS), places)
