"""When an account ends, as people write it: a date is its last day, on this machine's clock."""

from datetime import datetime, time, timedelta

from myriad.errors import UsageError

NEVER = "none"
FORMS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
DAY = "%Y-%m-%d"
YEARS = range(1970, 9000)  # that every client and both engines can say


def read(text: str) -> datetime | None:
    """Return the moment at which it ends, None for `none` and an empty text; raises UsageError."""
    word = text.strip()
    if word.lower() in {"", NEVER}:
        return None
    for form in (DAY, *FORMS):
        try:
            found = datetime.strptime(word, form)  # noqa: DTZ007 - as the clock here says
        except ValueError:
            continue
        if found.year in YEARS:
            return (found + timedelta(days=form == DAY)).astimezone()
    raise UsageError(
        f"{text!r} is no day until when an account holds",
        hint=f"Write the last day, 2030-01-31, or a time, '2030-01-31 17:30', or {NEVER}.",
    )


def shown(until: datetime | None) -> str:
    """Return it as `read` takes it."""
    if until is None:
        return NEVER
    local = until.astimezone()
    if local.time() == time():
        return f"{local - timedelta(days=1):%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M}" if not local.second else f"{local:%Y-%m-%d %H:%M:%S}"
