"""Hold what comes for the tables of one publish against their contracts, in either engine."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from myriad.errors import KeyRefused, PublishError, TooManyRejects
from myriad.publish import contract, lasting, left_behind, whence
from myriad.publish.contract import Change, Difference, Level, Shape, Terms
from myriad.publish.options import Options
from myriad.publish.plan import Target
from myriad.publish.report import TableReport, Written
from myriad.settings import Settings
from myriad.sources.base import misfit_column
from myriad.wording import nearest


@dataclass
class Checks:
    """The contracts of all tables of one publish, and where these differ from what comes.

    Attributes:
        found: differences by table; those that are not permitted end the publish.
    """

    options: Options
    settings: Settings
    found: dict[str, list[tuple[Terms, Difference]]] = field(default_factory=dict)
    _shapes: dict[str, Shape] = field(default_factory=dict)

    def terms(self, target: Target) -> Terms:
        """Return the contract under which a table is published."""
        level = Level(target.recipe.contract or Level.SAFE)
        return Terms(level, self.options.allow, self.settings.shrink)

    def begin(self, target: Target, there: Shape) -> None:
        """Take that a table is there which is to be replaced."""
        self._shapes[target.name] = there

    def tables(self, targets: Sequence[Target], published: Mapping[str, whence.Came]) -> None:
        """Look for tables that came of these sources before, do not now, and would get old.

        `published` are those of the dataset. Rows that are only added leave everything there.
        """
        if self.options.adds and not self.options.delete_missing:
            return
        for target, name in left_behind.left_behind(targets, published):
            before, now = published[name].get("source"), target.came["source"]
            other = "now" if now == before else f"from {now}, which is called the same"
            text = f"it came from {before} before and does not come {other}; it stays as it was"
            held = self.terms(target)
            self._note(held, target.name, [Difference(name, Change.TABLES, text)])
            if held.permits(Change.TABLES):
                target.tell(f"{name}: {text}")

    def places(
        self,
        targets: Sequence[Target],
        published: Mapping[str, whence.Came],
        there: Collection[str],
    ) -> None:
        """Let the report tell of tables that may be others than those that were meant.

        `there` are those of the dataset that are there, `published` those of them that are ours.
        """
        for target in targets:
            before, now = whence.differ(published.get(target.name, {}), target.came)
            if self.options.adds and target.name not in there:
                target.tell(f"there was none to add to: the table is new{_near(target, published)}")
            elif self.options.adds or self.options.table is not None:
                continue  # somebody named it: there is no doubt
            elif before != now:
                target.tell(
                    f"it came from {before} before, and from {now} now; with --table or --dataset"
                    " each has a table of its own"
                )

    def columns(
        self, target: Target, new: Shape, others: Callable[[Shape], list[Difference]] | None = None
    ) -> None:
        """Look at columns and key of what is to come; `others` finds more differences in them."""
        there = self._shapes.get(target.name)
        if there is None:
            return
        held = self.terms(target)
        left_out = self._left_out(target, held)
        columns = {name: kind for name, kind in there.columns.items() if name not in left_out}
        shape = self._shapes[target.name] = replace(there, columns=columns)
        found = contract.of_columns(held, target.name, shape, new)
        self._note(held, target.name, [*found, *(others(shape) if others else [])])

    def _left_out(self, target: Target, held: Terms) -> frozenset[str]:
        """Return the columns that the source has and this publish was told to leave or rename."""
        said = self.options.said(target.name, ())
        if held.level is Level.FROZEN or not (said.rename or said.columns or said.exclude):
            return frozenset()
        return target.names - {column.name for column in target.table.columns}

    def note(self, target: Target, differences: list[Difference]) -> None:
        """Take differences that somebody else found; those known already count once."""
        known = self.allowed(target.name)
        new = [each for each in differences if each not in known]
        self._note(self.terms(target), target.name, new)

    def _note(self, held: Terms, name: str, differences: list[Difference]) -> None:
        self.found.setdefault(name, []).extend((held, each) for each in differences)

    def settle(self) -> None:
        """Raise ContractRefused if something was found that is not permitted."""
        contract.refuse(
            [
                difference
                for found in self.found.values()
                for held, difference in found
                if not held.permits(difference.change)
            ]
        )

    def loaded(self, target: Target, rows: int, written: Written, emptied: Sequence[str]) -> None:
        """Look at the rows that shall take the place of a table's, and at those of people.

        `emptied` are columns that had values and have none now.
        """
        shape = self._shapes.get(target.name)
        if shape is None:
            return
        held = self.terms(target)
        found = contract.of_rows(held, target.name, shape, rows)
        found += contract.of_writes(target.name, written.rows, written.gone)
        found += contract.of_nulls(target.name, emptied) if rows else []
        self._note(held, target.name, found)

    def there(self, target: Target) -> Shape | None:
        """Return what a table had that is to be replaced, None if none is."""
        return self._shapes.get(target.name)

    def key_refused(self, target: Target, error: KeyRefused) -> None:
        """Take that the rows do not fit the key that the table had.

        Raises the error if the key was asked for, ContractRefused if the contract holds it.
        """
        held = self.terms(target)
        if target.name not in self._shapes or target.key_is_asked:
            raise error
        first, *lines = error.message.split("\n")
        text = f"its key does not hold any more: {first.rstrip(':')}"
        difference = Difference(target.name, Change.KEY, text, tuple(map(str.strip, lines)))
        self._note(held, target.name, [difference])
        self.settle()

    def rejected(self, target: Target, error: TooManyRejects) -> PublishError:
        """Return the error about too many rejects: the contract's, if values do not fit it."""
        misfits = [reject for reject in error.rejects if misfit_column(reject) is not None]
        permitted = self.terms(target).permits(Change.TYPES)
        if target.name not in self._shapes or not misfits or permitted:
            return error
        names = {misfit_column(reject) for reject in misfits}
        columns = [column for column in target.table.columns if column.original in names]
        named = ", ".join(f"{each.original} ({lasting.described(each.type)})" for each in columns)
        examples = tuple(map(str, misfits[: contract.SHOWN]))
        text = f"values do not fit column {named}"
        refusal = contract.refusal([Difference(target.name, Change.TYPES, text, examples)])
        asked = target.asked(target.recipe.type)
        chosen = [column.name for column in columns if column.name in asked]
        if chosen:  # nothing else permits another type than the one that a person chose
            refusal.hint = f"Mend the source, or give it another type: --type {chosen[0]}=TYPE."
            commas = any("," in (reject.value or "") for reject in misfits)
            if commas or any(column.type.format for column in columns):
                refusal.hint += " --allow types takes numbers and dates in another form."
        return refusal

    def tell(self, table: TableReport) -> None:
        """Write into the report under which contract it was published, and what that permitted."""
        table.allowed = self.allowed(table.table.name)

    def allowed(self, table: str) -> list[Difference]:
        """Return the differences of a table, which are permitted once `settle` has returned."""
        return [difference for _, difference in self.found.get(table, [])]


def _near(target: Target, published: Iterable[str]) -> str:
    near = nearest(target.name, published)
    return "" if near is None else f"; is {near} meant?"
