"""What a publish tells at its end: a screen of text, with all that was not plain."""

import re
from collections.abc import Iterable, Sequence

from myriad.publish.report import Failure, Report, TableReport, Unchanged, size_text
from myriad.wording import average_of, changed, number_of

WOULD = {
    "created": "would be new",
    "replaced": "would be made anew",
    "appended": "would be added to",
    "merged": "would be merged into",
}
SCREEN = 50  # lines
TABLES, SAID, GROUPS, UNCHANGED = 12, 24, 20, 10  # lines of each kind where it would be more
_VALUES = re.compile(r"\d+|'[^']*'")
_NOT_PLAIN = re.compile(r"--|; |\bbut\b|^text: ")  # a reason that tells more than the type


def text(report: Report) -> str:
    """Return what a person is told; the statements of a dry run are as long as they are."""
    bodies = [_body(table, _columns(table)) for table in report.tables]
    end = [*_first(map(_unchanged, report.unchanged), UNCHANGED, "more unchanged")]
    end += [*map(failure, report.failed), _total(report)]
    if len(bodies) + sum(map(len, bodies)) + len(end) > SCREEN:
        if len(bodies) == 1:
            bodies = [_body(table, _groups(table)) for table in report.tables]
        else:
            return "\n".join([*_heads(report), *_said(report.tables), *end])
    heads = (_head(report, table) for table in report.tables)
    parts = ("\n".join((head, *body)) for head, body in zip(heads, bodies, strict=True))
    return "\n".join([*parts, *end])


def failure(failed: Failure) -> str:
    """Return what is told of a source that was not published."""
    said = failed.error.message.removeprefix(f"{failed.source}: ")
    return f"not published: {failed.source}: {said}\n  hint: {failed.error.hint}"


def _total(report: Report) -> str:
    total = (
        f"{number_of(report.rows, 'row')} in {number_of(len(report.tables), 'table')},"
        f" {report.seconds:.2f} s"
    )
    if report.dry_run:
        total = f"Dry run: nothing was loaded ({number_of(len(report.tables), 'table')})."
    if report.checked:
        total = f"Checked, and nothing was changed: it would give {total}"
    if report.rejects:
        total += f"; {number_of(len(report.rejects), 'reject')} in {report.rejects_file}"
    elif report.rejects_file:
        total += f"; {number_of(len(report.not_data), 'line')} of no data in {report.rejects_file}"
    if report.unchanged and not report.tables and not report.failed:
        total = "Nothing was published. --no-if-changed publishes all the same."
    return total


def _unchanged(same: Unchanged) -> str:
    since = same.since.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{same.source}: unchanged since {since}: {same.why} (table {', '.join(same.tables)})"


def _head(report: Report, table: TableReport) -> str:
    """Return the line on a table, and its statements where those were asked for."""
    name = f"{report.database}.{report.dataset}.{table.table.name}"
    rows = "" if report.dry_run else f", {number_of(table.rows, 'row')}"
    rejects = f", {number_of(table.rejects, 'reject')}" if table.rejects else ""
    where = " in Cassandra" if table.engine == "cassandra" else ""
    action = WOULD[table.action] if report.dry_run or report.checked else table.action
    line = f"{name}: {action}{where}{rows}{rejects} (from {table.source})"
    return f"{line}\n\n{table.ddl}" if report.dry_run else line


def _body(table: TableReport, columns: list[str]) -> list[str]:
    lines = [*columns, *_used(table)]
    if table.engine == "cassandra":
        lines += _key(table)
    elif table.table.primary_key:
        lines.append(f"  key: {', '.join(table.table.primary_key)}")
    elif table.key_candidates:
        lines.append(
            f"  no key; could serve (unique in a sample): {', '.join(table.key_candidates)}"
        )
    more = f"more notes: myriad show {table.table.name}"
    return [*lines, *_first(_notes(table), SAID, more)]


def _used(table: TableReport) -> list[str]:
    lines = []
    if table.used:
        lines.append(f"  recipe: {table.used} (myriad recipe {table.table.name})")
    if table.merged:
        counts = table.merged._asdict().items()
        lines.append("  rows: " + ", ".join(f"{rows:,} {what}" for what, rows in counts))
    lines += [f"  {changed(line)}" for line in table.difference]
    return [*lines, *(f"  allowed: {difference.text}" for difference in table.allowed)]


def _notes(table: TableReport) -> list[str]:
    return [f"  note: {note}" for note in (*table.table.notes, *table.notes)]


def _key(table: TableReport) -> list[str]:
    parts = table.partitions
    largest = f"{number_of(parts['largest_rows'], 'row')} and {size_text(parts['largest_bytes'])}"
    average = average_of(parts["average_rows"], "row")
    return [
        f"  key: {table.key}",
        f"  partitions: {parts['count']:,} of {average} on average, the largest {largest}",
        f"  ask: {table.asks[0]} (more: myriad show {table.table.name})",
    ]


def _columns(table: TableReport) -> list[str]:
    return _aligned((c.name, table.type_of(c), c.why) for c in table.table.columns)


def _aligned(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    found = list(rows)
    name, kind = (max(len(row[at]) for row in found) for at in (0, 1))
    return [f"  {row[0]:<{name}}  {row[1]:<{kind}}  {row[2]}".rstrip() for row in found]


def _groups(table: TableReport) -> list[str]:
    """Return a line for all columns of the same type and the same reason, but for its values."""
    names: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], str] = {}
    for column in table.table.columns:
        group = table.type_of(column), _VALUES.sub("", column.why)
        names.setdefault(group, []).append(column.name)
        first.setdefault(group, column.why)
    rows = ((_named(found), group[0], first[group]) for group, found in names.items())
    more = f"more kinds of columns: myriad show {table.table.name}"
    return list(_first(_aligned(rows), GROUPS, more))


def _heads(report: Report) -> list[str]:
    heads = [_head(report, table) for table in report.tables]
    if report.dry_run:
        return heads
    return list(_first(heads, TABLES, "more tables: myriad list"))


def _said(tables: Sequence[TableReport]) -> list[str]:
    """Return what is to be told of many tables, once for all of which it is the same."""
    found: dict[str, list[str]] = {}
    for table in tables:
        odd = [c for c in table.table.columns if c.type.format or _NOT_PLAIN.search(c.why)]
        rows = [f"  {c.name}  {table.type_of(c)}  {c.why}" for c in odd]
        for line in dict.fromkeys((*rows, *_used(table), *_notes(table))):
            found.setdefault(line, []).append(table.table.name)
    lines = (f"{line} ({_named(names)})" for line, names in found.items())
    return list(_first(lines, SAID, "more to know: myriad show TABLE, or publish with --json"))


def _named(names: Sequence[str]) -> str:
    """Return some names, and how many more there are."""
    shown = 2 if len(names) > 3 else 3  # noqa: PLR2004 - "and 1 more" would be no shorter
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _first(lines: Iterable[str], most: int, more: str) -> Iterable[str]:
    """Yield the first lines, and how many more there are."""
    found = list(lines)
    yield from found[: most if len(found) > most + 1 else None]
    if len(found) > most + 1:
        yield f"  … and {len(found) - most:,} {more}"
