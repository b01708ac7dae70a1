"""All SQL of Myriad's own for PostgreSQL, from its `.sql` files and its code; and what it names."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pglast
from pglast.parser import ParseError
from pglast.visitors import Visitor

import myriad
from myriad import named_sql

SOURCE = Path(myriad.__file__).parent
# They read files by DuckDB and SQLite, speak CQL, act as a person, or print lines for people.
ELSEWHERE = ("sources", "cql", "demo", "connect", "cassandra", "cli", "fingerprints")
BEGIN = re.compile(
    r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|TRUNCATE|LOCK|CREATE|ALTER|DROP|GRANT|REVOKE|COPY|COMMENT"
    r"|REFRESH|ANALYZE|SET|RESET|NOTIFY|LISTEN|CHECKPOINT|DISCARD|DEALLOCATE|VALUES)\b[\s{(]"
)
CQL = re.compile(r"\bsystem_?\w*\.")  # its own tables
# What stands in the code for something: psycopg's values, and parts that are put together.
NAMED, VALUE, PART = re.compile(r"%\((\w+)\)s"), re.compile(r"%s"), re.compile(r"\{\w*\}")
STAND_IN = "stand_in"  # a table, a column, a number: whatever a part may be


@dataclass(frozen=True)
class Text:
    """One text of SQL, with `$1` for values and `stand_in` for what is put in."""

    place: str
    sql: str

    @property
    def reads(self) -> bool:
        """Whether it is a statement that can be prepared."""
        return all(
            type(raw.stmt).__name__ in {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"}
            for raw in pglast.parse_sql(self.sql)
        )


@dataclass
class Names:
    """Unqualified names that SQL uses, and so leaves to a search path."""

    functions: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)


@cache
def texts() -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """Return all SQL, and what looks like SQL but is only part of it, or English."""
    whole: list[Text] = []
    parts: list[Text] = []
    for place, written in [*_in_files(), *_in_code()]:
        sql = _plain(written)
        try:
            pglast.parse_sql(sql)
        except ParseError:
            is_whole = False
        else:
            is_whole = sql != f"SELECT {STAND_IN}"
        if is_whole:
            whole.append(Text(place, sql))
        else:
            parts.append(Text(place, sql))
    return tuple(whole), tuple(parts)


def _in_files() -> Iterator[tuple[str, str]]:
    for path in SOURCE.rglob("*.sql"):
        package = ".".join(path.parent.relative_to(SOURCE.parent).parts)
        place = str(path.relative_to(SOURCE))
        named = named_sql.load(package, path.name)
        yield from ((f"{place} {name}", text) for name, text in named.items())
        if not named:  # a migration
            yield place, path.read_text("utf-8")


def _in_code() -> Iterator[tuple[str, str]]:
    for path in SOURCE.rglob("*.py"):
        place = str(path.relative_to(SOURCE))
        if not any(part.removesuffix(".py").startswith(ELSEWHERE) for part in Path(place).parts):
            tree = ast.parse(path.read_text("utf-8"))
            yield from ((place, text) for text in _strings(tree) if _is_sql(text))


def _is_sql(text: str) -> bool:
    return bool(BEGIN.match(text)) and not CQL.search(text)


def _strings(tree: ast.AST) -> Iterator[str]:
    pieces = set()
    for node in ast.walk(tree):  # a whole comes before its pieces
        if isinstance(node, ast.JoinedStr):
            pieces.update(node.values)
            values = (
                value.value if isinstance(value, ast.Constant) else "{}" for value in node.values
            )
            yield "".join(map(str, values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in pieces:
            yield node.value


def _plain(written: str) -> str:
    names = list(dict.fromkeys(NAMED.findall(written)))
    sql = NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", written)
    counted = iter(range(1, 100))
    sql = VALUE.sub(lambda _: f"${next(counted)}", sql).replace("%%", "%")
    sql = sql.replace("'{{}}'", "'{}'") if "{{" in sql else sql
    return re.sub(r"(?<!')\{\w*\}(?!')", STAND_IN, sql)


class _Reader(Visitor):
    """Notes names. PostgreSQL's grammar itself qualifies those of its keywords, such as `int`."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self.names = names

    def visit(self, _: object, node: Any) -> None:
        """Look at one node of any kind."""
        kind, names = type(node).__name__, self.names
        if kind == "RangeVar" and node.schemaname is None:
            names.relations.add(node.relname)
        for of, found, attribute in (
            ("FuncCall", names.functions, "funcname"),
            ("A_Expr", names.operators, "name"),
            ("SubLink", names.operators, "operName"),
            ("TypeName", names.types, "names"),
        ):
            parts: tuple[Any, ...] = getattr(node, attribute) or () if kind == of else ()
            if len(parts) == 1:
                found.add(parts[0].sval)


@cache
def names() -> Names:
    """Return all names in all texts that a search path decides on."""
    found = Names(operators={"=", "<", "<>"})  # what IN, DISTINCT, CASE and their like stand for
    for text in texts()[0]:
        _Reader(found)(pglast.parse_sql(text.sql))
    return found
