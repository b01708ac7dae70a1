"""Walk a parsed text and collect what each kind of node does.

A list of what is known to be harmless decides, never a list of what is known to be bad: a statement
or an expression that stands on no list counts as code that may do anything.
"""

import re
from collections.abc import Callable
from typing import Any

from myriad.door.verdict.activity import VIEW, note_table
from myriad.door.verdict.effects import NOT_SUPPORTED, Effects, words
from myriad.door.verdict.functions import SHARED, WRITE_ROWS, note_function
from myriad.door.verdict.identity import note_value
from myriad.door.verdict.processes import VIEWS
from myriad.door.verdict.setting_changes import note_set

Node = dict[str, Any]
Task = tuple[Any, str, bool]  # what to look at; how a name may be written there; in a definition

# Statements that read and write rows. A name in them is worked out when they run.
ROWS = words(
    "CallStmt CopyStmt CreateTableAsStmt DeclareCursorStmt DeleteStmt ExecuteStmt ExplainStmt "
    "InsertStmt MergeStmt PrepareStmt SelectStmt UpdateStmt"
)
# They end with the transaction, or only tell something.
PASSING = words(
    "CheckPointStmt ClosePortalStmt ConstraintsSetStmt DeallocateStmt DiscardStmt FetchStmt "
    "ListenStmt LoadStmt LockStmt NotifyStmt TransactionStmt UnlistenStmt VariableSetStmt "
    "VariableShowStmt"
)
# Definitions and upkeep: what they leave is in the database. Not here, because they run code of
# others or load libraries: CREATE EXTENSION and its relatives.
DEFINING = words(
    "AlterCollationStmt AlterDatabaseSetStmt AlterDatabaseStmt AlterDefaultPrivilegesStmt "
    "AlterDomainStmt AlterEnumStmt AlterFunctionStmt AlterObjectDependsStmt "
    "AlterObjectSchemaStmt AlterOperatorStmt AlterOwnerStmt AlterPolicyStmt AlterPublicationStmt "
    "AlterRoleSetStmt AlterRoleStmt AlterSeqStmt AlterStatsStmt AlterSystemStmt "
    "AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTableMoveAllStmt "
    "AlterTableSpaceOptionsStmt "
    "AlterTableStmt AlterTypeStmt ClusterStmt CommentStmt CompositeTypeStmt CreateCastStmt "
    "CreateConversionStmt CreateDomainStmt CreateEnumStmt CreateFunctionStmt CreateOpClassStmt "
    "CreateOpFamilyStmt CreatePolicyStmt CreatePublicationStmt CreateRangeStmt CreateRoleStmt "
    "CreateSchemaStmt CreateSeqStmt CreateStatsStmt CreateStmt CreateTableSpaceStmt CreateTrigStmt "
    "CreatedbStmt DefineStmt DropOwnedStmt DropRoleStmt DropStmt DropTableSpaceStmt DropdbStmt "
    "GrantRoleStmt GrantStmt IndexStmt ReassignOwnedStmt RefreshMatViewStmt "
    "ReindexStmt RenameStmt ReplicaIdentityStmt "
    "RuleStmt SecLabelStmt TruncateStmt VacuumStmt ViewStmt"
)
EXPRESSIONS = words(
    "ATAlterConstraint A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star AccessPriv "
    "AlterTableCmd BitString BoolExpr Boolean BooleanTest CaseExpr CaseWhen CoalesceExpr "
    "CollateClause ColumnDef ColumnRef CommonTableExpr Constraint CreateOpClassItem CurrentOfExpr "
    "DefElem Float FuncCall FunctionParameter GroupingFunc GroupingSet IndexElem Integer JoinExpr "
    "JsonAggConstructor JsonArgument JsonArrayAgg JsonArrayConstructor JsonArrayQueryConstructor "
    "JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate JsonKeyValue JsonObjectAgg "
    "JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr JsonSerializeExpr "
    "JsonTable JsonTableColumn JsonTablePathSpec JsonValueExpr List LockingClause MergeSupportFunc "
    "MergeWhenClause MinMaxExpr MultiAssignRef NamedArgExpr NullTest ObjectWithArgs ParamRef "
    "PartitionBoundSpec PartitionCmd PartitionElem PartitionRangeDatum PartitionSpec "
    "PublicationObjSpec PublicationTable RangeFunction RangeSubselect RangeTableFunc "
    "RangeTableFuncCol RangeTableSample RangeVar ResTarget ReturnStmt ReturningOption RoleSpec "
    "RowExpr SQLValueFunction SetToDefault SortBy StatsElem String SubLink TableLikeClause "
    "TriggerTransition TypeCast TypeName VacuumRelation WindowDef XmlExpr XmlSerialize"
)
# They hold nothing that could do anything.
LEAVES = words("A_Const A_Star BitString Boolean Float Integer ParamRef SetToDefault")
KNOWN = ROWS | PASSING | DEFINING | EXPRESSIONS
# Every operator of pg_catalog. PostgreSQL declares none of them with a volatile function.
OPERATORS = words(
    "!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < "
    "<-> << <<= <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | "
    "|&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* "
    "BETWEEN"
) | {"NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"}
# Parts of a query whose expressions PostgreSQL compares with each other, or names columns after.
COMPARED = words("targetList distinctClause groupClause havingClause sortClause windowClause")
# What a statement reads from.
SOURCES = words("fromClause larg rarg sourceRelation usingClause")
# Nodes in which PostgreSQL allows no sub-select.
CONSTANT = frozenset(("JsonBehavior", "cycle_clause"))
CURSOR_HOLD = 0x0020  # CURSOR_OPT_HOLD in parsenodes.h
OURS = re.compile(r"myriad_[0-9a-f]{16}_")  # the door's statements: see `statements.PREFIX`
TEMPORARY = re.compile(r"pg_temp(_\d+)?\Z")
ASK = "ask who runs this server to do it"
ONES_OWN = (
    "only your own password is yours to change: \\password in psql, or ALTER ROLE CURRENT_USER"
    " PASSWORD '...'"
)


def walk(effects: Effects, tree: list[Node]) -> None:
    """Look at every node once, without recursion: texts nest as deeply as their writers like."""
    tasks: list[Task] = [(tree, "cast", False)]
    while tasks:
        value, form, fixed = tasks.pop()
        if isinstance(value, list):
            tasks.extend((item, form, fixed) for item in reversed(value))
        elif isinstance(value, dict):
            _look(effects, value, form, fixed=fixed, tasks=tasks)


def _look(effects: Effects, node: Node, form: str, *, fixed: bool, tasks: list[Task]) -> None:
    """Look at the fields of one node; a key that starts with a capital is a kind of node."""
    select = "limitOption" in node
    later: list[Task] = []
    for key, value in node.items():
        inner = ("query" if key in COMPARED else "cast") if select else form
        if key in SOURCES and not fixed:
            _sources(effects, value)
        if key[0].isupper():
            later.append(_enter(effects, key, value, inner, fixed=fixed))
        elif isinstance(value, dict | list):
            inner = "query" if key == "returningClause" else inner
            later.append((value, "cast" if key in CONSTANT else inner, fixed))
        elif key in FIELDS:
            FIELDS[key](effects, value)
    tasks.extend(task for task in reversed(later) if task[0])


def _enter(effects: Effects, kind: str, value: object, form: str, *, fixed: bool) -> Task:
    """Look at one node of a known kind, and return what is left to look at in it."""
    if kind in LEAVES or not isinstance(value, dict):
        return (None, form, fixed)
    if kind not in KNOWN:
        effects.hide()
    if kind.endswith("Stmt"):
        form = "cast"
        fixed = fixed or kind not in ROWS or value.get("objtype") == "OBJECT_MATVIEW"
    if kind in NODES:
        NODES[kind](effects, value)
    return _note_names(effects, kind, value, form, fixed=fixed)


def _sources(effects: Effects, value: object) -> None:
    for source in value if isinstance(value, list) else [value]:
        note_table(effects, source)


def _note_names(effects: Effects, kind: str, value: Node, form: str, *, fixed: bool) -> Task:
    """Functions and the words that stand for a person."""
    if kind == "FuncCall":
        note_function(effects, value, form, fixed=fixed)
    elif kind == "SQLValueFunction":
        note_value(effects, value, form, fixed=fixed)
    elif kind == "RangeFunction":
        return _range_function(effects, value, fixed=fixed)
    elif kind in CONSTANT:
        form = "cast"
    elif kind == "DefElem" and value.get("defname") == "set":
        return (None, form, fixed)  # CREATE FUNCTION … SET: holds while the function runs
    return (value, form, fixed)


def _range_function(effects: Effects, value: Node, *, fixed: bool) -> Task:
    """A function in FROM names its table and its column, unless an alias does."""
    several = len(value.get("functions", [])) > 1 or "coldeflist" in value
    bare = "alias" not in value
    form = "table" if bare else "cast"
    if several or (bare and (value.get("ordinality") or value.get("is_rowsfrom"))):
        form = ""
    for function in value.get("functions", []):
        head = (function.get("List", {}).get("items") or [{}])[0]
        if "SQLValueFunction" in head:
            note_value(effects, head["SQLValueFunction"], form, fixed=fixed)
        elif "FuncCall" in head:
            note_function(effects, head["FuncCall"], form, fixed=fixed)
    return (_arguments(value), "cast", fixed)


def _arguments(value: Node) -> list[Any]:
    """Return what is in the functions of FROM, without these functions themselves."""
    rest: list[Any] = []
    for function in value.get("functions", []):
        items = function.get("List", {}).get("items") or [{}]
        head = items[0]
        plain = "SQLValueFunction" in head or "FuncCall" in head
        rest += [list(head.values()) if plain else head, items[1:]]
    return rest


def _refuse(message: str, hint: str = ASK) -> Callable[[Effects, Node], None]:
    def refuse(effects: Effects, _statement: Node) -> None:
        effects.refuse(f"{message} is not available here: {SHARED}", hint)

    return refuse


def _lasting(message: str) -> Callable[[Effects, Node], None]:
    """Settings that later connections start with."""

    def renew(effects: Effects, _statement: Node) -> None:
        effects.renews = True
        effects.refuse(f"{message} is not available here: {SHARED}", "use SET in your session")

    return renew


def _alter_system(effects: Effects, _statement: Node) -> None:
    effects.renews = True


def _transaction(effects: Effects, statement: Node) -> None:
    if str(statement.get("kind")) in {
        "TRANS_STMT_PREPARE",
        "TRANS_STMT_COMMIT_PREPARED",
        "TRANS_STMT_ROLLBACK_PREPARED",
    }:
        _refuse("a prepared transaction", "use BEGIN and COMMIT")(effects, statement)


def _listen(effects: Effects, statement: Node) -> None:
    effects.pin("LISTEN")
    _refuse("LISTEN", WRITE_ROWS)(effects, statement)


def _load(effects: Effects, statement: Node) -> None:
    effects.close()
    _refuse("LOAD")(effects, statement)


def _prepare(effects: Effects, statement: Node) -> None:
    effects.pin("PREPARE")
    effects.by_sql.prepares = True
    name = str(statement.get("name", ""))  # which may be one of the protocol's
    effects.by_sql.executes.add(name)
    _prepared_name(effects, statement)


def _execute(effects: Effects, statement: Node) -> None:
    effects.hide()  # what it runs was prepared by another text
    effects.by_sql.executes.add(str(statement.get("name", "")))
    _prepared_name(effects, statement)


def _prepared_name(effects: Effects, statement: Node) -> None:
    name = str(statement.get("name", ""))
    if OURS.match(name):  # another person's, if anybody's
        effects.refuse(f'prepared statement "{name}" does not exist', "", "26000")


def _declare(effects: Effects, statement: Node) -> None:
    if int(statement.get("options", 0)) & CURSOR_HOLD:
        effects.pin("holdable cursor")


def _discard(effects: Effects, statement: Node) -> None:
    if statement.get("target") == "DISCARD_ALL":
        effects.discards = effects.resets = True


def _deallocate(effects: Effects, statement: Node) -> None:
    _prepared_name(effects, statement)
    if statement.get("isall") or "name" not in statement:
        effects.by_sql.deallocates_all = True
    else:
        effects.by_sql.deallocates.append(statement["name"])


def _write(effects: Effects, statement: Node) -> None:
    """Columns may have a sequence as their default; writing pg_settings is a SET in disguise."""
    effects.sequences = True
    table = statement.get("relation", {})
    if table.get("relname") == "pg_settings" and table.get("schemaname") in {None, "pg_catalog"}:
        effects.refuse("pg_settings cannot be written here", "use SET")
        effects.pin("pg_settings", closes=True)


def _copy(effects: Effects, statement: Node) -> None:
    if statement.get("is_from"):
        effects.sequences = True
        effects.by_sql.loads = effects.by_sql.loads or "filename" not in statement


def _opaque(effects: Effects, _statement: Node) -> None:
    effects.hide()


def _with(effects: Effects, query: Node) -> None:
    effects.shadowed = effects.shadowed or query.get("ctename") == VIEW


def _do(effects: Effects, statement: Node) -> None:
    effects.hide()
    body = str(statement).lower()
    if any(word in body for word in ("seed", "set_config", "load", "execute", "set ")):
        effects.close()


def _operator(effects: Effects, statement: Node) -> None:
    _operator_name(effects, statement.get("name"))


def _sublink(effects: Effects, statement: Node) -> None:
    _operator_name(effects, statement.get("operName"))


def _sort(effects: Effects, statement: Node) -> None:
    _operator_name(effects, statement.get("useOp"))


def _operator_name(effects: Effects, parts: list[Node] | None) -> None:
    """An operator is a call of a function; one that PostgreSQL does not have may call anything."""
    names = [part.get("String", {}).get("sval") for part in parts or []]
    if names and (names[:-1] not in ([], ["pg_catalog"]) or names[-1] not in OPERATORS):
        effects.hide()


def _rename(effects: Effects, statement: Node) -> None:
    if statement.get("renameType") == "OBJECT_ROLE":
        _refuse("ALTER ROLE")(effects, statement)


def _string(effects: Effects, statement: Node) -> None:
    _schema(effects, statement.get("sval"))


def _schema(effects: Effects, name: object) -> None:
    if isinstance(name, str) and TEMPORARY.match(name):
        effects.pin("temporary table")


def _persistence(effects: Effects, value: object) -> None:
    if value == "t":
        effects.pin("temporary table")


def _relation(effects: Effects, name: object) -> None:
    effects.processes = effects.processes or name in VIEWS


def _role(effects: Effects, value: object) -> None:
    """In a definition, CURRENT_USER would be the role of all who share the connection."""
    if value not in {"ROLESPEC_CSTRING", "ROLESPEC_PUBLIC"}:
        message = f"{str(value).removeprefix('ROLESPEC_')} cannot stand for you here: {SHARED}"
        effects.refuse(message, "name a group", NOT_SUPPORTED)


NODES: dict[str, Callable[[Effects, Node], None]] = {
    "A_Expr": _operator,
    "AlterDatabaseSetStmt": _lasting("ALTER DATABASE … SET"),
    "AlterDefaultPrivilegesStmt": _refuse("ALTER DEFAULT PRIVILEGES", "use GRANT for each object"),
    "AlterRoleSetStmt": _lasting("ALTER ROLE … SET"),
    "AlterRoleStmt": _refuse("ALTER ROLE", ONES_OWN),
    "AlterSystemStmt": _alter_system,
    "CallStmt": _opaque,
    "CommonTableExpr": _with,
    "CopyStmt": _copy,
    "DeallocateStmt": _deallocate,
    "DeclareCursorStmt": _declare,
    "DiscardStmt": _discard,
    "DoStmt": _do,
    "DropOwnedStmt": _refuse("DROP OWNED", "drop each object by its name"),
    "ExecuteStmt": _execute,
    "InsertStmt": _write,
    "ListenStmt": _listen,
    "LoadStmt": _load,
    "MergeStmt": _write,
    "NotifyStmt": _refuse("NOTIFY", WRITE_ROWS),
    "PrepareStmt": _prepare,
    "ReassignOwnedStmt": _refuse("REASSIGN OWNED"),
    "RenameStmt": _rename,
    "SecLabelStmt": _refuse("SECURITY LABEL"),
    "SortBy": _sort,
    "String": _string,
    "SubLink": _sublink,
    "TransactionStmt": _transaction,
    "UpdateStmt": _write,
    "VariableSetStmt": note_set,
}
FIELDS: dict[str, Callable[[Effects, object], None]] = {
    "schemaname": _schema,
    "relname": _relation,
    "relpersistence": _persistence,
    "roletype": _role,
}
