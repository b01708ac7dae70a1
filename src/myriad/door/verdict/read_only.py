"""What a session may send that only reads.

The server itself refuses to write: each transaction of such a connection begins READ ONLY, and the
server tells when that default changes (`backend`). Here is refused what could turn that off before
the server looks, and what it lets pass although it changes something for others.
"""

from collections.abc import Iterator
from typing import Any

from myriad.door.verdict.effects import Refusal, words
from myriad.door.verdict.functions import CHANCE, LOOKING
from myriad.door.verdict.setting_changes import is_true, literal, plain_name
from myriad.door.verdict.words import command_word

Node = dict[str, Any]

READ_ONLY_TRANSACTION = "25006"
MODES = frozenset(("transaction_read_only", "default_transaction_read_only"))
# Every other one writes, may begin another transaction while it runs (CALL, DO), or tells others.
STATEMENTS = words(
    "ClosePortalStmt ConstraintsSetStmt CopyStmt DeallocateStmt DeclareCursorStmt DiscardStmt "
    "ExecuteStmt ExplainStmt FetchStmt LockStmt PrepareStmt SelectStmt TransactionStmt "
    "VariableSetStmt VariableShowStmt"
)
# They end a transaction. What a prepared statement does, its EXECUTE does not show.
ENDINGS = words("TRANS_STMT_COMMIT TRANS_STMT_ROLLBACK")
TWO_PHASES = words("TRANS_STMT_PREPARE TRANS_STMT_COMMIT_PREPARED TRANS_STMT_ROLLBACK_PREPARED")
ACCESS_SHARE = 1  # AccessShareLock in lockdefs.h: what a SELECT takes, too
# PostgreSQL's functions with these beginnings that are volatile act on the server, or on others.
ACTING = ("pg_", "lo_", "lowrite", "binary_upgrade_", "brin_", "gin_clean")
LEAVES_NOTHING = words(f"{CHANCE} {LOOKING}") | words(
    "pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock "
    "pg_advisory_xact_lock_shared pg_backend_pid pg_export_snapshot pg_sleep pg_sleep_for "
    "pg_sleep_until pg_stat_clear_snapshot pg_try_advisory_xact_lock "
    "pg_try_advisory_xact_lock_shared lo_close lo_get lo_lseek lo_lseek64 lo_open lo_tell lo_tell64"
)
WRITING = words("nextval setval")


def refusal(tree: list[Node], harmless: frozenset[str]) -> Refusal | None:
    """Return why statements, as the parser has them, must not run where nothing is written."""
    what = next(_refused(tree, harmless), None)
    if what is None:
        return None
    message = f"cannot {what} here: this session only reads"
    return Refusal(READ_ONLY_TRANSACTION, message, "It was opened with the scope `read`.")


def may_end(tree: list[Node]) -> bool:
    """Say whether the last statement may end the transaction."""
    return bool(tree) and _ends(tree[-1])


def _ends(statement: Node) -> bool:
    for kind, value in statement.get("stmt", {}).items():
        return kind == "ExecuteStmt" or value.get("kind") in ENDINGS
    return False


def _refused(tree: list[Node], harmless: frozenset[str]) -> Iterator[str]:
    if any(_ends(statement) for statement in tree[:-1]):
        yield "send anything behind the end of a transaction in one text"
    for kind, value in _nodes(tree):
        if kind.endswith("Stmt") and kind not in STATEMENTS:
            yield f"execute {command_word(kind, value)}"
        elif kind == "FuncCall":
            yield from _function(value, harmless)
        elif kind in _LOOKS and (what := _LOOKS[kind](value)):
            yield what


def _nodes(tree: object) -> Iterator[tuple[str, Node]]:
    """Yield every node with its kind, which begins with a capital; fields of a known kind, too."""
    tasks: list[object] = [tree]
    while tasks:
        value = tasks.pop()
        if isinstance(value, list):
            tasks.extend(reversed(value))
        elif isinstance(value, dict):
            if "intoClause" in value:
                yield "intoClause", value
            for key, inner in value.items():
                if key[0].isupper() and isinstance(inner, dict):
                    yield key, inner
                tasks.append(inner)


def _into(_select: Node) -> str:
    return "execute SELECT INTO"


def _copy(statement: Node) -> str:
    if statement.get("is_from"):
        return "execute COPY FROM"
    return "write files" if "filename" in statement or statement.get("is_program") else ""


def _lock(statement: Node) -> str:
    return "" if statement.get("mode") == ACCESS_SHARE else "lock what others write"


def _transaction(statement: Node) -> str:
    if statement.get("kind") in TWO_PHASES:
        return f"execute {command_word('TransactionStmt', statement)}"
    return _modes(statement.get("options", []))


def _modes(options: list[Node]) -> str:
    for option in options:
        mode = option.get("DefElem", {})
        if mode.get("defname") in MODES and not is_true(literal(mode.get("arg"))):
            return "make a transaction READ WRITE"
    return ""


def _set(statement: Node) -> str:
    if statement.get("kind") == "VAR_SET_MULTI":
        return _modes(statement.get("args", []))
    name, values = plain_name(statement.get("name", "")), statement.get("args", [])
    return _change(name, [literal(value) for value in values])


def _change(name: str, values: list[Any]) -> str:
    if name not in MODES or (values and all(is_true(value) for value in values)):
        return ""
    return f"set {name}"


def _function(call: Node, harmless: frozenset[str]) -> Iterator[str]:
    """A function of PostgreSQL's, or what may be one."""
    names = [part.get("String", {}).get("sval", "") for part in call.get("funcname", [])]
    name = names[-1] if names else ""
    if len(names) > 1 and names[-2] != "pg_catalog":
        return
    acts = name in WRITING or (name.startswith(ACTING) and name not in harmless | LEAVES_NOTHING)
    if name == "set_config":
        yield from _set_config(call.get("args", []))
    elif acts:
        yield f"execute {name}()"


def _set_config(arguments: list[Node]) -> Iterator[str]:
    name, *values = [literal(_text(argument)) for argument in arguments[:2]] or [None]
    if isinstance(name, str) and (what := _change(plain_name(name), values)):
        yield what


def _text(node: Node) -> Node:
    """See through casts: whatever a constant is cast to, it names the same setting."""
    while "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    return node


_LOOKS = {
    "intoClause": _into,
    "CopyStmt": _copy,
    "LockStmt": _lock,
    "TransactionStmt": _transaction,
    "VariableSetStmt": _set,
}
