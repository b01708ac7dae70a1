"""Recipes: what is remembered of how a table is published; the next publish uses it."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from myriad.errors import UsageError
from myriad.model import Type
from myriad.publish import keys
from myriad.publish.contract import Level
from myriad.settings import Settings
from myriad.sources.options import MOST_DELIMITER, NESTED, ReadOptions, check_said, is_mark

ENGINES = ("postgres", "cassandra", "both")
# What in a recipe says how a file is read.
READING = (
    *("delimiter", "quote", "encoding", "header", "null", "skip", "decimal", "dates", "no-null"),
    *("sheet", "records", "nested"),
)
MOST_BYTES = 1_000_000  # of one recipe: a file that is imported may be anything


@dataclass(frozen=True)
class Recipe:
    """What was said of how one table is published; what is empty or None was never said.

    Attributes:
        sources: what was named, as it was named.
        key: as `--key` takes it.
        type: column → type, as PostgreSQL names it.
        rename: column → the name that it gets.
        columns, exclude: those that come along, or do not.
        null: what stands for null, besides nothing.
        skip: lines before the header.
        sheet: the one of a workbook that is read.
        records: what leads to the records of a document.
        nested: what becomes of nested values.
        to: the engine, or both.
        if_changed: it stays as it is while its sources do not change.
        decimal, dates, no_null: how values are written; see `ReadOptions`.
        description, descriptions: what the table is, and column → what it is.
    """

    sources: tuple[str, ...] = ()
    key: str | None = None
    type: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep_names: bool | None = None
    max_rejects: int | None = None
    contract: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None
    null: tuple[str, ...] = ()
    skip: int | None = None
    to: str | None = None
    decimal: str | None = None
    dates: str | None = None
    no_null: bool | None = None
    sheet: str | None = None
    records: str | None = None
    nested: str | None = None
    if_changed: bool | None = None
    description: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def updated(self, said: "Recipe") -> "Recipe":
        """Return the recipe with what was said now; types and names are added one by one."""
        changes = {name: getattr(said, name) for name in _ENTRIES}
        given = {name: value for name, value in changes.items() if value not in (None, (), {})}
        for name in ("type", "rename", "descriptions"):
            given[name] = {**getattr(self, name), **changes[name]}
        if said.columns or said.exclude:  # one choice of columns, not two
            given |= {"columns": said.columns, "exclude": said.exclude}
        return replace(self, **given)

    @property
    def read(self) -> ReadOptions:
        """How its files are read."""
        return ReadOptions(
            *(self.delimiter, self.quote, self.encoding, self.header, self.null, self.skip or 0),
            *(self.decimal, self.dates, not self.no_null),
            *(self.sheet, self.records, self.nested),
            key=keys.parse(self.key).columns if self.key else (),
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data, without what was never said."""
        found = {said: getattr(self, name) for name, said in zip(_ENTRIES, NAMES, strict=True)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value not in (None, (), {})
        }

    @property
    def said_of(self) -> dict[str, str]:
        """What the table, called "", and its columns are."""
        return ({"": self.description} if self.description else {}) | dict(self.descriptions)

    def describing(self, texts: Mapping[str, str]) -> "Recipe":
        """Return the recipe with these texts on the table, called "", and on columns.

        An empty text says nothing any more.
        """
        found = {name: text for name, text in (self.said_of | dict(texts)).items() if text}
        return replace(self, description=found.pop("", None), descriptions=found)

    def written(self) -> str:
        """Return it as the options of `publish`, but for the sources."""
        return shlex.join(_written(self))


def _written(recipe: Recipe) -> Iterator[str]:
    for name, value in recipe.as_data().items():
        option = f"--{name}"
        match value:
            case _ if name in ("sources", "description", "descriptions"):
                continue
            case True:
                yield option
            case False:
                yield f"--no-{name}"
            case dict():
                for one, other in value.items():
                    yield from (option, f"{one}={other}")
            case list() if name == "null":
                for one in value:
                    yield from (option, one)
            case list():
                yield from (option, ",".join(value))
            case _:
                yield from (option, str(value))


def used(recipe: Recipe, said: Recipe) -> str:
    """Return the options of a recipe that nobody said now, as `publish` takes them."""
    now = said.as_data()
    rest = {
        name.replace("-", "_"): _without(value, now.get(name))
        for name, value in recipe.as_data().items()
        if name not in now or isinstance(value, dict)
    }
    return Recipe(**rest).written()


def _without(value: Any, said: Any) -> Any:  # noqa: ANN401 - one value of any option
    if not isinstance(value, dict):
        return value
    return {key: each for key, each in value.items() if key not in (said or {})}


_ENTRIES = tuple(entry.name for entry in fields(Recipe))
NAMES = tuple(name.replace("_", "-") for name in _ENTRIES)


def from_data(data: object) -> Recipe:
    """Return the recipe that `as_data` wrote; raises UsageError for what is none."""
    if not isinstance(data, dict):
        raise UsageError(
            "a recipe is a JSON object", hint="`myriad recipe TABLE --export` has one."
        )
    recipe = Recipe()
    for name, value in data.items():
        recipe = recipe.updated(_checked(str(name), value))
    return recipe


def going_back(now: Recipe, shown: Mapping[str, Any], goal: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe of a table whose report is `goal` again, after it was `shown`.

    None where it stays: somebody changed it since what is shown was made with it, or what either
    was made with is not known. What is said of the table stays.
    """
    if "recipe" not in shown or "recipe" not in goal:
        return None

    def said(data: object) -> Recipe:
        texts = now.description, now.descriptions
        return replace(from_data(data), description=texts[0], descriptions=texts[1])

    found = said(goal["recipe"])
    return found if said(shown["recipe"]) == now != found else None


def going_back_notes(now: Recipe, again: Recipe) -> list[str]:
    """Return what is said of a recipe that went back: nothing where only the sources differ."""
    told = again.written()
    if told == now.written():
        return []
    return [f"the next publish uses its recipe again: {told or 'no options'}"]


_LISTS = frozenset({"sources", "columns", "exclude", "null"})
_MAPPINGS = frozenset({"type", "rename", "descriptions"})
_FLAGS = frozenset({"keep-names", "header", "no-null", "if-changed"})
_NUMBERS = frozenset({"max-rejects", "skip"})


def _checked(name: str, value: object) -> Recipe:
    """Return a recipe of one thing said; raises UsageError if it makes no sense."""
    if name not in NAMES:
        raise UsageError(f"a recipe has no {name!r}", hint=f"It has: {', '.join(NAMES)}.")
    if not _fits(name, value):
        raise UsageError(
            f"{name} of a recipe cannot be {str(value)[:80]!r}",
            hint="`myriad recipe TABLE --export` shows how it is written.",
        )
    made: Any = tuple(value) if isinstance(value, list) else value
    return check(Recipe(**{name.replace("-", "_"): made}))


def _fits(name: str, value: object) -> bool:
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name in _MAPPINGS:
        return isinstance(value, dict) and all(
            isinstance(part, str) and part for pair in value.items() for part in pair
        )
    if name in _NUMBERS:
        return type(value) is int and value >= 0
    return isinstance(value, bool if name in _FLAGS else str)


def check(recipe: Recipe) -> Recipe:
    """Return the recipe; raises UsageError if something in it makes no sense."""
    if recipe.key:
        keys.parse(recipe.key)
    for column, kind in recipe.type.items():
        try:
            Type.named(kind)
        except ValueError:
            raise UsageError(
                f"--type {column}={kind}: Myriad makes no columns of such a type",
                hint="One of smallint, integer, bigint, numeric, numeric(P,S), real, double"
                " precision, boolean, date, time, timestamp, timestamptz, uuid, jsonb, text,"
                " bytea.",
            ) from None
    if recipe.contract is not None and recipe.contract not in tuple(Level):
        raise UsageError(
            f"there is no contract {recipe.contract!r}", hint=f"One of {', '.join(Level)}."
        )
    if recipe.to is not None and recipe.to not in ENGINES:
        raise UsageError(f"there is no engine {recipe.to!r}", hint=f"One of {', '.join(ENGINES)}.")
    if recipe.nested is not None and recipe.nested not in NESTED:
        raise UsageError(
            f"nested values cannot become {recipe.nested!r}", hint=f"One of {', '.join(NESTED)}."
        )
    if recipe.columns and recipe.exclude:
        raise UsageError("columns and exclude exclude each other", hint="Give one of them.")
    check_said(recipe.decimal, recipe.dates)
    for name, most in (("delimiter", MOST_DELIMITER), ("quote", 1)):
        mark = getattr(recipe, name)
        if mark is not None and not is_mark(mark, most):
            raise UsageError(f"--{name} is {most} ASCII characters at most", hint="A tab is \\t.")
    return recipe


def refuse_limits(types: Mapping[str, str]) -> None:
    """Raise UsageError for text of a limited length; recipes of before may have it, and text."""
    for column, kind in types.items():
        if re.match(r"\s*(varchar|char(acter)?(\s+varying)?)\s*\(", kind, re.IGNORECASE):
            raise UsageError(
                f"--type {column}={kind}: Myriad limits no column's length",
                hint=f"Text of any length: --type {shlex.quote(column)}=text",
            )


def told(text: str) -> Recipe:
    """Read `NAME=VALUE` as `myriad recipe --set` takes it; raises UsageError."""
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix("--")
    made: object = value
    if name in ("type", "rename"):
        column, _, other = value.rpartition("=")
        made = {column: other}
        refuse_limits({column: other} if name == "type" else {})
    elif name in ("columns", "exclude", "sources"):
        made = [part.strip() for part in value.split(",")]
    elif name == "null":
        made = [value]
    elif name in ("max-rejects", "skip") and value.isdigit():
        made = int(value)
    elif name in _FLAGS and value in ("yes", "no"):
        made = value == "yes"
    elif name == "delimiter" and value == "\\t":
        made = "\t"
    if not equals:
        raise UsageError(f"--set {text!r} has no value", hint="--set NAME=VALUE.")
    return _checked(name, made)


def forgotten(recipe: Recipe, names: tuple[str, ...]) -> Recipe:
    """Return the recipe without what `names` name; raises UsageError for what it never has."""
    empty = Recipe()
    for name in names:
        if name == "all":
            return empty
        if name not in NAMES:
            raise UsageError(f"a recipe has no {name!r}", hint=f"It has: all, {', '.join(NAMES)}.")
        place = name.replace("-", "_")
        recipe = replace(recipe, **{place: getattr(empty, place)})
    return recipe


def place(settings: Settings, table: str, database: str | None) -> tuple[str, str, str]:
    """Return database, dataset and name of a table that is called `name` or `dataset.name`."""
    chosen = database or settings.database
    table = table.removeprefix(f"{chosen}.")
    dataset, dot, name = table.partition(".")
    return (chosen, dataset, name) if dot else (chosen, settings.dataset, table)
