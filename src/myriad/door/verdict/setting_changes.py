"""SET, RESET and set_config(): which settings of the session a text changes, and how."""

import re
from typing import Any

from myriad.door.verdict import reported
from myriad.door.verdict.effects import MOST_SETTINGS, NOT_SUPPORTED, TOO_MUCH, Effects

_UNLIKE = {
    "standard_conforming_strings": (
        "standard_conforming_strings must stay on",
        "write strings with backslashes as E'…'",
    ),
    reported.ENCODING: (
        "this client_encoding is not available here",
        "use UTF8; text is converted for you",
    ),
}
Node = dict[str, Any]
Value = str | bool | None  # None: not a constant, or NULL

MOST_NAME = 63  # letters: NAMEDATALEN - 1
RIGHTS = frozenset(("role", "session_authorization"))
# They hold for one transaction, however they are set.
TRANSACTION = frozenset(
    ("transaction_isolation", "transaction_read_only", "transaction_deferrable")
)
# PostgreSQL's own old names (map_old_guc_names in guc.c).
OLD_NAMES = {"sort_mem": "work_mem", "vacuum_mem": "maintenance_work_mem"}
# How pg_dump sets what servers have only since August 2024: nothing happens in an older one.
_PG_DUMP = re.compile(
    rb"SELECT set_config\(name, '[a-z, -]*', false\) FROM pg_settings"
    rb" WHERE name = 'restrict_nonsystem_relation_kind'"
)
# With these, no text is parsed or planned otherwise: tests/integration/test_door_settings.py tries
# every setting that a person may change.
HARMLESS = frozenset(
    (
        "application_name",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "statement_timeout",
        "transaction_timeout",
    )
)
TRUE = frozenset(("on", "true", "tru", "tr", "t", "yes", "ye", "y", "1"))
# Encodings in which a byte below 128 is always that character of ASCII. In the others (SJIS, BIG5,
# GBK, UHC, GB18030, JOHAB) a quote or backslash may be half of a letter, so that the server and the
# door would read a text differently. Written as PostgreSQL compares them: letters and digits only.
ENCODINGS = frozenset(
    (
        *("utf8", "unicode", "sqlascii"),
        *(f"latin{number}" for number in range(1, 11)),
        *(f"iso8859{part}" for part in (*range(1, 11), *range(13, 17))),
        *(f"{name}{page}" for name in ("win", "windows") for page in range(1250, 1259)),
        *("win866", "windows866", "alt", "win874", "windows874", "win", "koi8", "koi8r", "koi8u"),
        *("tcvn", "tcvn5712", "vscii", "abc"),
        *("eucjp", "eucjis2004", "euckr", "euccn", "euctw"),
    )
)


def literal(node: Node | None) -> Value:
    """Return the text, number (as text) or truth of a constant; None: not a constant, or NULL."""
    constant = (node or {}).get("A_Const")
    if not isinstance(constant, dict) or constant.get("isnull"):
        return None
    for key in ("sval", "fval"):
        if key in constant:
            return str(constant[key].get(key, ""))
    if "ival" in constant:
        return str(constant["ival"].get("ival", 0))
    return bool(constant["boolval"].get("boolval")) if "boolval" in constant else None


def plain_name(name: str) -> str:
    """Return a setting's name as PostgreSQL compares it: only letters of ASCII lose their case."""
    lowered = name.strip().encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    return OLD_NAMES.get(lowered, lowered)


def is_true(value: Value) -> bool:
    """Say whether a constant means `on`, as PostgreSQL reads it."""
    return value is True or (isinstance(value, str) and value.strip().lower() in TRUE)


def _is_safe_encoding(value: Value) -> bool:
    if not isinstance(value, str) or not value.isascii():
        return False
    return reported.plain(value) in ENCODINGS


def is_read_alike(name: str, value: Value) -> bool:
    """Say whether the server reads texts as the door does when a setting has this value."""
    if name == "standard_conforming_strings":
        return is_true(value)
    return name != reported.ENCODING or _is_safe_encoding(value)


def _check_value(effects: Effects, name: str, values: list[Value]) -> None:
    """Refuse values under which the server would read a text otherwise than the door does."""
    if not all(is_read_alike(name, value) for value in values):
        effects.refuse(*_UNLIKE[name])
    elif name == "search_path" and any(_is_temporary(value) for value in values):
        effects.pin("temporary schema in search_path")


def _is_temporary(value: Value) -> bool:
    return not isinstance(value, str) or "pg_temp" in value.lower()


def _note_rights(effects: Effects, name: str, value: Value, *, local: bool) -> None:
    """SET ROLE and SET SESSION AUTHORIZATION; NONE only takes away, and is always allowed."""
    if name == "role" and value == "none":
        effects.stateful = effects.stateful or not local  # a role may start with another one
        return
    words = "SET ROLE" if name == "role" else "SET SESSION AUTHORIZATION"
    effects.refuse(f"{words} is not available here", "your rights already are those of your groups")
    if not local:
        effects.pin(words)


def _note_change(effects: Effects, name: str, values: list[Value], *, local: bool) -> None:
    """A setting gets a value, for the transaction (`local`) or for the session."""
    if name in RIGHTS:
        _note_rights(effects, name, values[0] if values else None, local=local)
        return
    _check_value(effects, name, values)
    if (change := reported.change(name, values)) is not None:
        effects.reported.add(change)
    if name == "seed":
        effects.pin("SET SEED", closes=True)
    elif "." in name:
        _note_custom(effects, name, local=local)
    elif local and name not in TRANSACTION | HARMLESS:
        _note_setting(effects, name, effects.local)
    elif not local and name not in TRANSACTION:
        _note_setting(effects, name, effects.settings)


def _note_setting(effects: Effects, name: str, names: set[str]) -> None:
    if len(names) >= MOST_SETTINGS:
        effects.hide()
        effects.refuse("the statement changes too many settings", "change less", TOO_MUCH)
    elif len(name) <= MOST_NAME:  # else it has no such name, and PostgreSQL says so
        names.add(name)


def _note_custom(effects: Effects, name: str, *, local: bool) -> None:
    """A setting that nobody declared: even SET LOCAL leaves it behind, empty instead of unknown."""
    effects.close()
    if not local:
        effects.pin(f"custom setting {name[:MOST_NAME]}")


def note_set(effects: Effects, statement: Node) -> None:
    """Add what SET, RESET and their relatives do."""
    kind, name = statement.get("kind"), plain_name(statement.get("name", ""))
    if kind == "VAR_RESET_ALL":
        effects.resets = True
    elif kind == "VAR_SET_MULTI":
        _note_multi(effects, name, statement)
    elif kind == "VAR_SET_VALUE":
        values = [literal(_bare(node)) for node in statement.get("args", [])]
        _note_change(effects, name, values, local=bool(statement.get("is_local")))
    elif name not in RIGHTS:  # DEFAULT, RESET, FROM CURRENT: no value of which to be afraid
        _note_change(effects, name, [], local=bool(statement.get("is_local")))
        kept = name in effects.settings or ("." in name and not statement.get("is_local"))
        if kept and kind in {"VAR_SET_DEFAULT", "VAR_RESET"}:
            effects.restores.add(name)


def _bare(node: Node) -> Node:
    """SET TIME ZONE INTERVAL '…' wraps its constant in a cast."""
    cast = node.get("TypeCast")
    return cast.get("arg", {}) if isinstance(cast, dict) else node


def _note_multi(effects: Effects, name: str, statement: Node) -> None:
    """SET TRANSACTION lasts as long as the transaction; SESSION CHARACTERISTICS are settings."""
    if name != "session characteristics":
        return
    for option in statement.get("args", []):
        effects.settings.add(f"default_{option.get('DefElem', {}).get('defname', '')}")


def set_config(effects: Effects, call: Node) -> None:
    """Add what a call of set_config does: it is SET in the shape of a function."""
    arguments = call.get("args", [])
    plain = len(arguments) == len(("name", "value", "is_local")) and not call.get("func_variadic")
    name = literal(_text(arguments[0])) if plain else None
    if not isinstance(name, str):
        message = "set_config() needs the setting's name as a plain string"
        if not _PG_DUMP.fullmatch(effects.source):
            effects.refuse(message, "write set_config('name', value, is_local)", NOT_SUPPORTED)
        effects.pin("set_config", closes=True)
        return
    value, local = literal(_text(arguments[1])), literal(arguments[2]) is True
    _note_change(effects, plain_name(name), [value], local=local)


def _text(node: Node) -> Node:
    """See through `'…'::text`, which changes nothing of a string."""
    cast = node.get("TypeCast")
    if not isinstance(cast, dict):
        return node
    kind = cast.get("typeName", {})
    names = [part.get("String", {}).get("sval") for part in kind.get("names", [])]
    plain = names in (["text"], ["pg_catalog", "text"]) and "typmods" not in kind
    return cast.get("arg", {}) if plain and "arrayBounds" not in kind else node
