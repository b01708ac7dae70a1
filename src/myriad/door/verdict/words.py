"""The word people know a statement by: its command tag, from the parser's name of its kind."""

import re
from typing import Any

WORDS = {
    "": "",
    "AlterRoleSetStmt": "ALTER ROLE",
    "AlterDatabaseSetStmt": "ALTER DATABASE",
    "CheckPointStmt": "CHECKPOINT",
    "ClosePortalStmt": "CLOSE CURSOR",
    "CompositeTypeStmt": "CREATE TYPE",
    "ConstraintsSetStmt": "SET CONSTRAINTS",
    "CreateEnumStmt": "CREATE TYPE",
    "CreateRangeStmt": "CREATE TYPE",
    "CreateSeqStmt": "CREATE SEQUENCE",
    "CreateStmt": "CREATE TABLE",
    "CreateTrigStmt": "CREATE TRIGGER",
    "CreatedbStmt": "CREATE DATABASE",
    "AlterSeqStmt": "ALTER SEQUENCE",
    "DeclareCursorStmt": "DECLARE CURSOR",
    "DefineStmt": "CREATE",
    "DropStmt": "DROP",
    "DropdbStmt": "DROP DATABASE",
    "IndexStmt": "CREATE INDEX",
    "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW",
    "RenameStmt": "ALTER",
    "RuleStmt": "CREATE RULE",
    "SecLabelStmt": "SECURITY LABEL",
    "TruncateStmt": "TRUNCATE TABLE",
    "VariableSetStmt": "SET",
    "VariableShowStmt": "SHOW",
    "ViewStmt": "CREATE VIEW",
}
_KINDS = {
    "TRANS_STMT_BEGIN": "BEGIN",
    "TRANS_STMT_START": "START TRANSACTION",
    "TRANS_STMT_PREPARE": "PREPARE TRANSACTION",
    "TRANS_STMT_ROLLBACK_TO": "ROLLBACK",
    "VAR_RESET": "RESET",
    "VAR_RESET_ALL": "RESET",
}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def command_word(kind: str, statement: dict[str, Any]) -> str:
    """Return the command of a statement of this kind, such as SELECT or CREATE TABLE."""
    detail = str(statement.get("kind", ""))
    if detail in _KINDS:
        return _KINDS[detail]
    if detail.startswith("TRANS_STMT_"):
        return detail.removeprefix("TRANS_STMT_").replace("_", " ")
    if kind in WORDS:
        return WORDS[kind]
    return _CAPITAL.sub(" ", kind.removesuffix("Stmt")).upper()
