"""Every error of ours says what to do next: read from the source, so that no new one is missed."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import myriad
from myriad import errors
from myriad.door.session.hints import hinted
from myriad.errors import MyriadError
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

SOURCE = Path(myriad.__file__).parent
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, MyriadError)
}
# These say it themselves, whoever raises them.
SAY_IT = {"SourceEmpty", "WouldBeLost"}
# Of PostgreSQL's own words to a client that speaks its protocol wrongly, or cancelled by itself:
# https://www.postgresql.org/docs/18/errcodes-appendix.html
PROTOCOL = {"08P01", "26000", "34000", "42P05", "22023"}
OWN_WORDS = {
    "canceling statement due to user request",
    "terminating connection due to administrator command",
}


@cache
def calls() -> tuple[tuple[str, str, ast.Call], ...]:
    """Return the place, name and call of everything that is called in the source."""
    return tuple(_calls())


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node.func.id, node


def hint_of(call: ast.Call, place: int | None = None) -> ast.expr | None:
    named = [each.value for each in call.keywords if each.arg == "hint"]
    if named:
        return named[0]
    return call.args[place] if place is not None and len(call.args) > place else None


def says_nothing(hint: ast.expr | None) -> bool:
    return hint is None or (isinstance(hint, ast.Constant) and not str(hint.value).strip())


def test_every_error_of_a_command_says_what_to_do() -> None:
    raised = [(place, call) for place, name, call in calls() if name in KINDS - SAY_IT]
    assert len(raised) > 200
    assert [place for place, call in raised if says_nothing(hint_of(call))] == []
    for kind in SAY_IT:
        assert getattr(errors, kind)("x").hint


def test_every_error_of_the_door_says_what_to_do() -> None:
    silent = []
    for place, name, call in calls():
        if name != "Fault" or not says_nothing(hint_of(call, 2)):
            continue
        code, message = (
            each.value if isinstance(each, ast.Constant) else None for each in call.args
        )
        if code is not None and code not in PROTOCOL and message not in OWN_WORDS:
            silent.append(place)
    assert silent == []


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("42501", "permission denied for schema public", "myriad grant"),
        ("42501", "permission denied for table t", "--write"),
        ("42501", "permission denied for database main", "a place of your own"),
        ("42501", "permission denied to create temporary tables in database", "of your own"),
        ("42501", "must be owner of table t", "owner"),
        ("3F000", "no schema has been selected to create in", "a place of your own"),
        ("42P01", 'relation "t" does not exist', "information_schema.tables"),
    ],
)
def test_the_commonest_errors_of_the_server_get_a_hint(code: str, message: str, hint: str) -> None:
    fault = Fault(code, message)
    answer = hinted(fault.encode(), wire.error_fields(fault.encode()[5:]))
    fields = wire.error_fields(answer[5:])
    assert hint in fields.pop("H")
    assert fields == wire.error_fields(fault.encode()[5:])
    assert int.from_bytes(answer[1:5], "big") == len(answer) - 1
    assert answer.endswith(b"\0\0")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("42501", "permission denied for function pg_read_file"),
        Fault("42P01", 'relation "t" does not exist', "There is one of the server's own."),
        Fault("22012", "permission denied for table of another kind of error"),
    ],
)
def test_other_errors_stay_as_they_are(fault: Fault) -> None:
    said = fault.encode()
    assert hinted(said, wire.error_fields(said[5:])) is said
