r"""What a text of SQL would leave behind on a connection to the server, before it is sent.

`analyse(text, harmless) -> Verdict` is pure: it parses the text with PostgreSQL's own grammar and
looks at every node. The fields of `Verdict` stand below, each with its meaning:

- `stateful` is what no other field describes well enough to undo it by itself: code that may do
  anything, and all that `pins` or `closes`. Changes of ordinary settings are in `settings`,
  `restores` (which of them go back to their default) and `resets` alone, moved sequences in
  `sequences`, DISCARD ALL in `discards`: whoever hands the connection on looks at these, too.
- `opaque`: code ran that the text does not show (DO, CALL, functions that are not built in, SQL
  EXECUTE, query_to_xml …); it may have done anything its caller may, a refused thing too.
- `plain`: none of the fields that ask for care is set; `words` and `shape` may be.
"""

import json
import re
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pglast import parser

from myriad.door.verdict import read_only, reported, shape
from myriad.door.verdict.activity import read_from
from myriad.door.verdict.effects import (
    LOAD,
    NOT_IN_REPERTOIRE,
    SYNTAX_ERROR,
    TOO_DEEP,
    TOO_MUCH,
    BySql,
    Effects,
    Refusal,
    Span,
    words,
)
from myriad.door.verdict.functions import OWN, SEEN
from myriad.door.verdict.masking import tells
from myriad.door.verdict.nodes import OPERATORS, walk
from myriad.door.verdict.password import PasswordChange, change_in
from myriad.door.verdict.processes import VIEWS, Processes, look
from myriad.door.verdict.shape import Shape
from myriad.door.verdict.words import command_word


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text does to the server session that runs it."""

    refusal: Refusal | None = None  # why it must not run in a shared pool
    stateful: bool = False  # DISCARD ALL before another person gets the connection
    opaque: bool = False  # ran code that the text does not show
    pins: str = ""  # state that cannot be made again on another connection: its name for people
    closes: bool = False  # DISCARD ALL does not undo it: close the connection instead
    settings: frozenset[str] = frozenset()  # ordinary settings it may change for the session
    local: frozenset[str] = frozenset()  # those that it may change for the transaction
    restores: frozenset[str] = frozenset()  # those of them that return to their default
    reported: frozenset[tuple[str, str | None]] = (
        frozenset()
    )  # what `reported` needs to know of them
    resets: bool = False  # RESET ALL or DISCARD ALL
    discards: bool = False  # DISCARD ALL
    sequences: bool = False  # may call nextval or setval: currval and lastval change
    reads_sequences: bool = False  # calls currval or lastval
    renews: bool = False  # connections made later may begin with other settings
    ends: bool = False  # may end a transaction; only known in a session that only reads
    by_sql: BySql = field(default_factory=BySql)  # PREPARE, EXECUTE, DEALLOCATE, COPY
    identity: tuple[Span, ...] = ()  # where the person's name belongs
    activity: tuple[Span, ...] = ()  # where it reads pg_stat_activity
    processes: Processes | None = None  # what it says of processes of the server
    words: str = ""  # the first statement's command, as in a command tag
    syntax_error: bool = False  # the text could not be parsed
    secret: bool = False  # may hold a password
    shape: Shape | None = None  # by which statistics know it
    sampled: bool = False  # its shape was not looked for, or stands for others, too
    plain: bool = False  # nothing that needs care

    @property
    def may_load(self) -> bool:
        """Whether the server may ask for COPY data: it may read what the door cannot."""
        return self.by_sql.loads or self.syntax_error

    @property
    def password(self) -> PasswordChange | None:
        """What it changes of passwords."""
        return self.refusal.password if self.refusal is not None else None


# Every key of the parser's JSON that may occur in a text which the quick test lets pass: fields
# and kinds of nodes that do nothing by themselves. Functions and operators are looked up by name.
PLAIN_KEYS = words(
    "IndexElem LockingClause MultiAssignRef RangeTableSample SQLValueFunction "
    "A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star BoolExpr BooleanTest CaseExpr "
    "CaseWhen CoalesceExpr CollateClause ColumnRef CommonTableExpr DeleteStmt FuncCall GroupingSet "
    "InsertStmt Integer JoinExpr List MinMaxExpr NullTest ParamRef RangeFunction RangeSubselect "
    "RangeVar ResTarget RowExpr SelectStmt SetToDefault SortBy String SubLink TransactionStmt "
    "TypeCast TypeName UpdateStmt WindowDef "
    "agg_distinct agg_filter agg_order agg_star agg_within_group alias aliascolnames aliasname all "
    "arg args arrayBounds aval boolop boolval booltesttype bsval chain coalesced collname cols "
    "colnames content ctematerialized ctename ctequery ctes defresult distinctClause elements "
    "end_location expr fields frameOptions fromClause fromsql funcformat funcname functions fval "
    "groupClause groupDistinct havingClause indirection inh is_natural isnull is_slice isNatural "
    "ival items join_using_alias jointype kind larg lateral lexpr lidx limitCount limitOffset "
    "limitOption location lowers name names nulls nulltesttype number op ordinality orderClause "
    "override partitionClause quals rarg recursive refname relation relname relpersistence result "
    "returningClause exprs rexpr row_format rexpr_list_end rexpr_list_start list_start list_end "
    "savepoint_name schemaname selectStmt setof sortClause sortby_dir "
    "sortby_nulls startOffset endOffset stmt stmt_len stmt_location stmts subLinkType subquery "
    "subselect sval targetList testexpr typeName typemod typmods uidx usingClause val values "
    "valuesLists version whereClause windowClause withClause node over lockingClause lockedRels "
    "strength waitPolicy source colno ncolumns method onConflictClause infer action indexElems "
    "ordering nulls_ordering typmod"
)
KEY = re.compile(r'"(\w+)":')
_STATEMENT = re.compile(r'"stmt":\{"(\w+)":\{(?:"kind":"(TRANS_\w+)")?')
_FUNCTION = re.compile(
    r'"funcname":\[(?:\{"String":\{"sval":"pg_catalog"\}\},)?'
    r'\{"String":\{"sval":"(\w+)"\}\}\]'
)
_OPERATOR = re.compile(
    r'"name":\[(?:\{"String":\{"sval":"pg_catalog"\}\},)?'
    r'(?:\{"String":\{"sval":"((?:[^"\\]|\\u003[ce])*)"\}\}\])?'
)
# As the parser's JSON has them.
_WRITTEN_OPERATORS = frozenset(
    name.replace("<", "\\u003c").replace(">", "\\u003e") for name in OPERATORS
)
_DELICATE = re.compile(
    r'"relpersistence":"[^pu]|"pg_temp|"relname":"(?:pg_settings|' + "|".join(sorted(VIEWS)) + r')"'
    r'|"op":"SVFOP_(?!CURRENT_(?:CATALOG|DATE|SCHEMA|TIME)|LOCALTIME)'
)
# The parser's own limits, not errors of the text; its other errors are those of the server, too.
_DEPTH = re.compile(r"memory exhausted|stack depth limit exceeded")
_SIZE = re.compile(r"out of memory|invalid memory alloc|string buffer")
_COMMENT = re.compile(rb"/\*|\*/")
MOST_COMMENTS = 500  # in each other: the parser's time grows with the square, 8,000 take 2 s
DEEP = 6000  # Python's own limit of 1000 is less than what a generated query with UNIONs may need


def analyse(
    text: str, harmless: frozenset[str], *, reads: bool = False, weight: int = 1
) -> Verdict:
    """Say what a text does to the session.

    Args:
        text: one or more statements, as a person sent them.
        harmless: functions of pg_catalog of which every overload is immutable or stable.
        reads: nothing is to be written: see `read_only`. No text is plain then.
        weight: how many texts its shape stands for, 0: it needs none.
    """
    try:
        source = text.encode()
    except UnicodeEncodeError:
        return _unreadable("the text holds half a character")
    if b"\0" in source:
        return _unreadable("the text holds a NUL")
    if _depth_of_comments(source) > MOST_COMMENTS:
        return _too_deep()
    try:
        parsed = parser.parse_sql_json(text)
    except parser.ParseError as error:
        return _unparsed(error, source)
    found = None if reads else quick(parsed, harmless, sampled=weight != 1)
    found = found or thorough(source, parsed, harmless, reads=reads)
    secret = tells(source)
    if not (secret or weight or not found.sampled):
        return found
    known_as = shape.of(text, parsed, weight, secret=secret) if weight else None
    plain, sampled = found.plain and not secret, weight != 1
    return replace(found, shape=known_as, sampled=sampled, secret=secret, plain=plain)


def _depth_of_comments(source: bytes) -> int:
    if source.count(b"/*") <= MOST_COMMENTS:
        return 0
    depth = most = 0
    for mark in _COMMENT.findall(source):
        depth = depth + 1 if mark == b"/*" else max(0, depth - 1)
        most = max(most, depth)
    return most


def _unreadable(reason: str) -> Verdict:
    refusal = Refusal(NOT_IN_REPERTOIRE, reason, "send text in the encoding that you announced")
    return Verdict(refusal=refusal, stateful=True, syntax_error=True)


def _unparsed(error: Exception, source: bytes) -> Verdict:
    message = str(error.args[0])
    if _DEPTH.search(message):
        return _too_deep()
    if _SIZE.search(message):
        return unknowable()
    if not tells(source):
        return Verdict(stateful=True, syntax_error=True)
    refusal = Refusal(SYNTAX_ERROR, message, "the server was not asked: its log might quote it")
    return Verdict(refusal=refusal, stateful=True, syntax_error=True, secret=True)


def _too_deep() -> Verdict:
    return _beyond(Refusal(TOO_DEEP, "the statement is nested too deeply", "split the statement"))


def unknowable() -> Verdict:
    """Return the verdict of a text that is too much to be looked at: it may do anything."""
    return _beyond(Refusal(TOO_MUCH, "the statement is too long to be looked at", LOAD))


def _beyond(refusal: Refusal) -> Verdict:
    return Verdict(
        refusal=refusal, stateful=True, opaque=True, closes=True, sequences=True, syntax_error=True
    )


def quick(parsed: str, harmless: frozenset[str], *, sampled: bool = False) -> Verdict | None:
    """Pass plain texts by a look at the parser's JSON, without building its tree.

    Keys are the parser's own words and the only strings that a colon follows. What a person wrote
    stands in values, where each quotation mark is escaped: it can never look like a key.
    """
    keys = KEY.findall(parsed)
    if not PLAIN_KEYS.issuperset(keys) or _DELICATE.search(parsed):
        return None
    if "FuncCall" in keys and not _known_functions(parsed, keys.count("funcname"), harmless):
        return None
    if ("A_Expr" in keys or "SubLink" in keys) and not _known_operators(parsed):
        return None
    first = _STATEMENT.search(parsed)
    writes = "InsertStmt" in keys or "UpdateStmt" in keys
    kind, detail = first.groups("") if first else ("", "")
    return _plain(kind, detail, writes=writes, sampled=sampled)


def _known_functions(parsed: str, count: int, harmless: frozenset[str]) -> bool:
    names = _FUNCTION.findall(parsed)
    return len(names) == count and all(
        name not in SEEN and (name in harmless or name in OWN) for name in names
    )


def _known_operators(parsed: str) -> bool:
    return _WRITTEN_OPERATORS.issuperset(_OPERATOR.findall(parsed))


@lru_cache(maxsize=64)
def _plain(kind: str, detail: str, *, writes: bool, sampled: bool) -> Verdict:
    word = command_word(kind, {"kind": detail})
    return Verdict(sequences=writes, words=word, plain=not writes, sampled=sampled)


def thorough(
    source: bytes, parsed: str, harmless: frozenset[str], *, reads: bool = False
) -> Verdict:
    """Look at every node."""
    tree = _tree(parsed)
    if tree is None:
        return _too_deep()
    effects = Effects(source, harmless)
    walk(effects, tree)
    if effects.by_sql.prepares and any(reported.is_delicate(change) for change in effects.reported):
        effects.refuse("PREPARE of such a setting is not available here", "use SET or set_config()")
    processes = look(tree, source, signals=effects.signals) if effects.processes else None
    verdict = _verdict(effects, processes, _first_word(tree))
    if verdict.refusal is not None and (changed := change_in(tree)) is not None:
        verdict = replace(verdict, refusal=replace(verdict.refusal, password=changed))
    return _for_readers(verdict, tree, harmless) if reads else verdict


def _for_readers(verdict: Verdict, tree: list[dict[str, Any]], harmless: frozenset[str]) -> Verdict:
    refusal = read_only.refusal(tree, harmless) or verdict.refusal
    return replace(verdict, refusal=refusal, ends=read_only.may_end(tree), plain=False)


def _tree(parsed: str) -> list[dict[str, Any]] | None:
    """Return the statements; None: nested too deeply for Python's reader of JSON."""
    limit = sys.getrecursionlimit()
    for depth in (limit, max(limit, DEEP)):
        sys.setrecursionlimit(depth)
        try:
            return list(json.loads(parsed).get("stmts", []))
        except RecursionError:
            continue
        finally:
            sys.setrecursionlimit(limit)
    return None


def _first_word(tree: list[dict[str, Any]]) -> str:
    for statement in tree:
        for kind, value in statement.get("stmt", {}).items():
            return command_word(kind, value)
    return ""


def _verdict(effects: Effects, processes: Processes | None, word: str) -> Verdict:
    verdict = Verdict(
        refusal=effects.refusal,
        stateful=effects.stateful,
        opaque=effects.opaque,
        pins=effects.pins,
        closes=effects.closes,
        settings=frozenset(effects.settings),
        local=frozenset(effects.local),
        restores=frozenset(effects.restores),
        reported=frozenset(effects.reported),
        resets=effects.resets,
        discards=effects.discards,
        sequences=effects.sequences,
        reads_sequences=effects.reads_sequences,
        renews=effects.renews,
        by_sql=effects.by_sql.found(),
        identity=tuple(effects.identity[start] for start in sorted(effects.identity)),
        activity=read_from(effects),
        processes=processes,
    )
    plain = verdict == NOTHING
    return replace(verdict, plain=plain, words=word)


NOTHING = Verdict()
