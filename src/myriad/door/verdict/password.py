"""ALTER ROLE … PASSWORD: whose password a text changes, and to what.

Names and strings are as PostgreSQL's own parser reads them, whatever they are written with.
"""

from dataclasses import dataclass, field
from typing import Any

from myriad.verifiers import LONGEST

Node = dict[str, Any]

ONESELF = frozenset(("ROLESPEC_CURRENT_USER", "ROLESPEC_CURRENT_ROLE", "ROLESPEC_SESSION_USER"))
SESSION_USER = "ROLESPEC_SESSION_USER"


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """What a text changes of passwords.

    Attributes:
        names: of roles; `oneself`: it says CURRENT_USER, or the like, and `session` SESSION_USER.
        password: the new one, or a verifier; None: no password at all.
        alone: there is no other statement; `only`: and no other option.
    """

    names: frozenset[str]
    oneself: bool
    session: bool
    password: str | None = field(repr=False)
    alone: bool
    only: bool


def change_in(tree: list[Node]) -> PasswordChange | None:
    """Return what the statements of a text change; None: no password."""
    found = [(role, options) for role, options in map(_altered, tree) if "password" in options]
    if not found:
        return None
    kinds = {role.get("roletype") for role, _ in found}
    options = found[0][1]
    return PasswordChange(
        names=frozenset(str(role["rolename"]) for role, _ in found if "rolename" in role),
        oneself=bool(kinds & ONESELF),
        session=kinds == {SESSION_USER},
        password=options["password"],
        alone=len(tree) == 1,
        only=len(options) == 1,
    )


def _altered(statement: Node) -> tuple[Node, dict[str, str | None]]:
    """Return the role that ALTER ROLE names, and its options with their strings."""
    altered = statement.get("stmt", {}).get("AlterRoleStmt")
    if altered is None:
        return {}, {}
    elements = (option.get("DefElem", {}) for option in altered.get("options", []))
    return altered.get("role", {}), {str(each.get("defname")): _string(each) for each in elements}


def _string(option: Node) -> str | None:
    argument = option.get("arg", {})
    if "String" not in argument:
        return None
    return str(argument["String"].get("sval", ""))[: LONGEST + 1]
