"""All written forms, in one table; a new family is a module and a line here."""

from collections.abc import Sequence
from functools import cache

from myriad.model import Kind, Type
from myriad.sources.options import Said
from myriad.sources.typing import amounts, calendars, flags
from myriad.sources.typing.amounts import Amount
from myriad.sources.typing.calendars import Calendar
from myriad.sources.typing.form import Form

_PARSERS = (flags.parse, amounts.parse, calendars.parse)


@cache
def named(name: str) -> Form | None:
    """Return the form that is remembered as `name`; None if there is none, as for plain text."""
    return next((form for parse in _PARSERS if (form := parse(name)) is not None), None)


def of(kind: Type) -> Form | None:
    """Return the form in which text of this type is written; None for the plain one."""
    form = named(kind.format) if kind.format else None
    return form if form is not None and kind.kind in form.kinds else None


def proposed(values: Sequence[str], said: Said) -> list[Form]:
    """Return the forms that a few values of a column, the oddest ones, may all have."""
    return [
        *flags.proposed(values),
        *calendars.proposed(values, said),
        *amounts.proposed(values),
    ]


__all__ = ["Amount", "Calendar", "Form", "Kind", "Said", "named", "of", "proposed"]
