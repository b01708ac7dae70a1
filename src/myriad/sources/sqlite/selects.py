"""A plain SELECT of SQLite over tables of its file, put together anew for PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from myriad.model import Part, Phrase
from myriad.sources.sqlite.phrases import Seen, Writer
from myriad.sources.sqlite.words import Refused
from myriad.sources.typing.sql import quoted

_TAKEN = {
    "targetList",
    "fromClause",
    "whereClause",
    "groupClause",
    "havingClause",
    "sortClause",
    "limitCount",
    "limitOffset",
    "limitOption",
    "distinctClause",
}
_JOINS = {
    "JOIN_INNER": "JOIN",
    "JOIN_LEFT": "LEFT JOIN",
    "JOIN_RIGHT": "RIGHT JOIN",
    "JOIN_FULL": "FULL JOIN",
}


class Select:
    """Writes one SELECT; `tables` are those of the file, by their names in lower case."""

    def __init__(self, tables: Mapping[str, Seen]) -> None:
        self._tables = tables
        self._seen: dict[str, Seen] = {}
        self._writer = Writer(self._seen, view=True)

    def write(self, node: Any) -> Phrase:  # noqa: ANN401 - pglast has no types
        """Return the statement; raises Refused."""
        if type(node).__name__ != "SelectStmt" or node.op.name != "SETOP_NONE":
            raise Refused("it is no plain SELECT")
        others = [slot for slot in node.__slots__ if slot not in {*_TAKEN, "op"}]
        if any(getattr(node, slot) for slot in others) or not node.fromClause:
            raise Refused("it is no plain SELECT")
        for item in node.fromClause:
            self._see(item)
        self._writer.labels.update(t.name.lower() for t in node.targetList if t.name)
        made: list[str | Part] = ["SELECT ", *self._distinct(node)]
        made += _listed([self._target(target) for target in node.targetList])
        made += [" FROM ", *_listed([self._from(item) for item in node.fromClause])]
        made += self._clause(" WHERE ", node.whereClause)
        if node.groupClause:
            made += [" GROUP BY ", *_listed([self._chosen(each) for each in node.groupClause])]
        made += self._clause(" HAVING ", node.havingClause)
        if node.sortClause:
            made += [" ORDER BY ", *_listed([self._sorted(each) for each in node.sortClause])]
        made += self._clause(" LIMIT ", node.limitCount)
        return (*made, *self._clause(" OFFSET ", node.limitOffset))

    @staticmethod
    def _distinct(node: Any) -> Phrase:  # noqa: ANN401
        if node.distinctClause and any(node.distinctClause):
            raise Refused("it is no plain SELECT")
        return ("DISTINCT ",) if node.distinctClause else ()

    def _clause(self, word: str, node: Any) -> Phrase:  # noqa: ANN401
        return () if node is None else (word, *self._writer.write(node))

    def _see(self, item: Any) -> None:  # noqa: ANN401
        if type(item).__name__ == "JoinExpr":
            self._see(item.larg)
            self._see(item.rarg)
            return
        if type(item).__name__ != "RangeVar":
            raise Refused("it asks another query")
        known = self._tables.get(item.relname.lower())
        named = ".".join(filter(None, (item.catalogname, item.schemaname, item.relname)))
        if known is None or item.catalogname or item.schemaname not in (None, "main"):
            raise Refused(f"it reads {named}, which is no table of the file")
        alias = self._alias(item)
        if alias in self._seen or (item.alias and item.alias.colnames):
            raise Refused("it is no plain SELECT")
        self._seen[alias] = known

    @staticmethod
    def _alias(item: Any) -> str:  # noqa: ANN401
        return str(item.alias.aliasname if item.alias else item.relname).lower()

    def _from(self, item: Any) -> Phrase:  # noqa: ANN401
        if type(item).__name__ == "RangeVar":
            alias = self._alias(item)
            return Part(self._seen[alias].table), f" AS {quoted(alias)}"
        word = _JOINS.get(item.jointype.name)
        if word is None or item.isNatural or item.usingClause or item.alias:
            raise Refused("it joins by names")
        left, right = self._from(item.larg), self._from(item.rarg)
        if item.quals is None:
            return ("(", *left, " CROSS JOIN ", *right, ")")
        return ("(", *left, f" {word} ", *right, " ON ", *self._writer.write(item.quals), ")")

    def _target(self, target: Any) -> Phrase:  # noqa: ANN401
        fields: Sequence[Any] = getattr(target.val, "fields", ())
        if fields and type(fields[-1]).__name__ == "A_Star":
            above = [field.sval.lower() for field in fields[:-1]]
            if len(above) > 1 or not set(above) <= self._seen.keys():
                raise Refused("it names what is in no table of the file")
            return (f"{quoted(above[0])}.*",) if above else ("*",)
        made = self._writer.write(target.val)
        if target.name:
            return (*made, " AS ", Part(label=target.name))
        return made

    def _chosen(self, node: Any) -> Phrase:  # noqa: ANN401
        """Write what stands in GROUP BY or ORDER BY: a number, a label, or an expression."""
        fields: Sequence[Any] = getattr(node, "fields", ())
        if len(fields) == 1 and getattr(fields[0], "sval", "").lower() in self._writer.labels:
            return (Part(label=fields[0].sval),)
        return self._writer.write(node)

    def _sorted(self, node: Any) -> Phrase:  # noqa: ANN401
        if node.useOp:
            raise Refused("it is no plain SELECT")
        down = node.sortby_dir.name == "SORTBY_DESC"
        # In SQLite null is the least of all.
        nulls = {"SORTBY_NULLS_FIRST": "FIRST", "SORTBY_NULLS_LAST": "LAST"}
        where = nulls.get(node.sortby_nulls.name, "LAST" if down else "FIRST")
        return (*self._chosen(node.node), f"{' DESC' * down} NULLS {where}")


def _listed(parts: Sequence[Phrase]) -> Phrase:
    made: list[str | Part] = []
    for at, part in enumerate(parts):
        made += [", "] * bool(at)
        made += part
    return tuple(made)
