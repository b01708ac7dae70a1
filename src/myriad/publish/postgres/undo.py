"""Go back to versions of tables, in one transaction, at once for everybody who reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from myriad.errors import MyriadError, PublishError, WouldBeLost
from myriad.model import TEXT, Column, Table
from myriad.named_sql import Row
from myriad.publish.history import Run
from myriad.publish.keeping import Keeping
from myriad.publish.postgres import (
    carried,
    ddl,
    describing,
    existing,
    record,
    runs,
    version_choice,
    versions,
)
from myriad.publish.postgres.existing import Existing
from myriad.publish.postgres.patience import Patience
from myriad.publish.postgres.swap import Replacement, let_go, refer_again, swap
from myriad.publish.postgres.unpublish import Removal, forget
from myriad.publish.postgres.version_choice import State, query


@dataclass
class Back:
    """One table that goes back, and what came of it.

    Attributes:
        others: the other versions of the same relation.
        present, before: what is shown until now, and the number of its version; None: nothing.
        made: constraints and indexes of Myriad's on what is shown.
        references: foreign keys that pointed to what is shown, and were dropped for now.
        loaded: the transaction that put in rows which lay apart, and how many.
        turn: its place from now on in the order of what the table showed.
        shown: the report of what is shown until now, if that is known.
    """

    state: State
    others: list[State]
    present: Existing | None
    before: int | None
    made: list[str]
    references: list[Row] = field(default_factory=list)
    loaded: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
    turn: int = 0
    shown: Row = field(default_factory=dict)

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "table": self.state.name,
            "before": self.before,
            "back_to": self.state.number,
            "turn": self.turn,
            "of_run": self.state.run,
            "rows": self.state.rows,
            "source": self.state.report.get("source"),
            "published": self.state.finished.isoformat(),
            "notes": self.notes,
        }


@dataclass
class Undo:
    """One return, in one dataset of one database, over one connection.

    `for_good`: also where what is shown now cannot be kept.
    """

    connection: psycopg.Connection
    dataset: str
    patience: Patience
    keeping: Keeping
    history: Run
    for_good: bool = False

    def go(self, goals: Sequence[State], gone: Sequence[str] = ()) -> list[Back]:
        """Show these versions of different tables; what is shown now becomes a version.

        The tables `gone` are taken away together with that.

        Runs in the caller's transaction, which has claimed the tables. Raises PublishError and its
        kinds, psycopg.Error.
        """
        existing.refuse_foreign_dataset(self.connection, self.dataset)
        names = [*(goal.name for goal in goals), *gone]
        versions.query(self.connection, "hold", dataset=self.dataset, names=names)
        backs = [self._look(goal) for goal in goals]
        replacements = [self._prepared(back) for back in backs]
        for back in backs:
            for reference in back.references:
                refer_again(self.connection, reference)
        removal = Removal(self.connection, self.dataset, gone, self.patience)
        swapped = swap(
            self.connection,
            [*(one for one in replacements if one is not None), *removal.replacements()],
            self.patience,
        )
        for back in backs:
            if back.state.relation is not None:
                self._refer(back)
                back.made = swapped.made[back.state.name] + self._made_keys(back.state)
        for back in backs:
            self._write_down(back, swapped.kept.get(back.state.name))
        for name in gone:
            forget(self.connection, self.dataset, name, swapped.kept.get(name), purge=False)
        tables = [(self.dataset, name) for name in names]
        notes = versions.expire(self.connection, tables, self.keeping)
        for back in backs[:1]:
            back.notes += notes
        return backs

    def _full(self, state: State) -> str:
        return f"{self.dataset}.{state.name}"

    def _look(self, state: State) -> Back:
        """Look at what is shown; raises SchemaRefused if it must not be touched."""
        there = version_choice.states(self.connection, self.dataset, state.name)[state.name]
        others = [
            each for each in there if each.relation == state.relation and each.turn != state.turn
        ]
        present = existing.find(self.connection, self.dataset, state.name)
        if present is None:
            return Back(state, others, None, None, [])
        full = self._full(state)
        made = record.made(self.connection, self.dataset, state.name)
        if made is None:
            raise PublishError(
                f"{full} is there and Myriad did not publish it",
                hint="Rename or drop it first; what was published stays as it is.",
            )
        existing.refuse_obstacles(self.connection, full, present.oid, made)
        number = version_choice.shown(there)
        shown = next((each.report for each in there if each.number == number), {})
        return Back(state, others, present, number, made, shown=shown)

    def _prepared(self, back: Back) -> Replacement | None:
        """Make of a relation what the version was; return what is to be swapped in, if anything."""
        relation = back.state.relation
        if relation is None:
            self._lock(back)
            self._adjust(back, ddl.qualified(self.dataset, back.state.name))
            return None
        existing.refuse_foreign_code(self.connection, self._full(back.state), back.state.oid)
        versions.bring_back(self.connection, self.dataset, relation)
        name = ddl.qualified(self.dataset, relation)
        self._adjust(back, name)
        return self._replacement(back, relation, name)

    def _lock(self, back: Back) -> None:
        """Let nobody else write, nor add a trigger, while rows are taken out and put in.

        Rows that are taken out must not take those of others along, by a foreign key that says so.
        """
        state = back.state
        name = ddl.qualified(self.dataset, state.name)
        lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name)

        def attempt(_: int) -> list[Row]:
            self.connection.execute(lock)
            return let_go(self.connection, state.oid) if state.later else []

        back.references = self.patience.until(self.connection, attempt, [state.oid])
        existing.refuse_foreign_code(self.connection, self._full(state), state.oid)

    def _adjust(self, back: Back, name: sql.Identifier) -> None:
        """Give a relation the rows of the version: others go apart, its own come in."""
        state = back.state
        if state.later:
            self._take_out(back, name)
        if state.apart is not None:
            xid = runs.mark(self.connection, self.history)
            columns = self._columns(state.oid)
            put_in = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}")
            source = ddl.qualified(versions.SCHEMA, state.apart)
            done = self.connection.execute(put_in.format(name, columns, columns, source))
            back.loaded = (xid, done.rowcount)

    def _columns(self, oid: int) -> sql.Composed:
        return ddl.names(row["name"] for row in query(self.connection, "columns", oid=oid))

    def _take_out(self, back: Back, name: sql.Identifier) -> None:
        """Delete rows that were added later; each other version that has some gets them apart.

        Raises PublishError if people changed some.
        """
        state = back.state
        if not state.proven:
            raise PublishError(
                f"which rows of {self._full(state)} were added later is not to be told any more",
                hint="The server, or the table, is another one than they were added to.",
            )
        for other in back.others:
            missed = [xid for xid in state.xids if xid not in other.xids]
            if missed:
                self._set_apart(other, missed, name)
        delete = sql.SQL("DELETE FROM {} WHERE xmin = ANY (%s::xid[])").format(name)
        done = self.connection.execute(delete, [state.xids])
        if done.rowcount != state.added:
            raise PublishError(
                f"people changed or deleted {state.added - done.rowcount:,} of the {state.added:,}"
                f" rows that were added to {self._full(state)}: these alone cannot be taken out",
                hint="Publish the table anew, or go back to an earlier version.",
            )
        place = {"dataset": self.dataset, "name": state.name}
        query(self.connection, "taken_out", turns=state.later, **place)

    def _set_apart(self, state: State, xids: Sequence[str], name: sql.Identifier) -> None:
        """Keep rows of a version that are about to be taken out of its relation."""
        apart, columns = state.apart or versions.new_name(), self._columns(state.oid)
        place = ddl.qualified(versions.SCHEMA, apart)
        if state.apart is None:
            self.connection.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(place, name))
            versions.close(self.connection, versions.SCHEMA, apart)
            values = {"dataset": self.dataset, "name": state.name, "turn": state.turn}
            query(self.connection, "set_apart", relation=apart, **values)
        copied = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE xmin = ANY (%s::xid[])")
        self.connection.execute(copied.format(place, columns, columns, name), [xids])

    def _replacement(self, back: Back, relation: str, name: sql.Identifier) -> Replacement:
        """Return a version as what is swapped in, with the indexes that people have now."""
        state, present = back.state, back.present
        mine = set(state.report.get("made", ()))
        renames = {now: was for now, was in state.names.items() if was in mine}
        carry = {now: was for now, was in state.names.items() if was not in mine}
        if present is not None:
            carry = self._with_present_indexes(back, present.oid, name, carry)
        columns = self._columns_of(state.oid)
        kept = present is not None and versions.may_keep(
            self.connection, present.oid, self.keeping, self.patience
        )
        if present is not None and not (kept or self.for_good):
            raise WouldBeLost(self._full(state))
        keep = versions.new_name() if kept else ""
        old = present.oid if present else None
        table = Table(state.name, state.name, columns)
        return Replacement(self.dataset, relation, table, old, renames, carry, keep, back.made)

    def _columns_of(self, oid: int) -> tuple[Column, ...]:
        names = [row["name"] for row in existing.query(self.connection, "column_types", oid=oid)]
        return tuple(Column(name, name, TEXT) for name in names)

    def _with_present_indexes(
        self, back: Back, oid: int, name: sql.Identifier, carry: dict[str, str]
    ) -> dict[str, str]:
        """Drop and make indexes of people's, so that the version has those that there are now."""

        def shape(index: Row, called: str) -> tuple[str, bool, str]:
            return called, index["is_unique"], index["rest"]

        now = existing.query(self.connection, "indexes", oid=oid)
        wanted = {shape(each, each["name"]): each for each in now if each["name"] not in back.made}
        for index in existing.query(self.connection, "indexes", oid=back.state.oid):
            called = carry.get(index["name"])
            if called is None:
                continue
            if wanted.pop(shape(index, called), None) is None:
                del carry[index["name"]]
                drop = sql.SQL("DROP INDEX {}")
                place = ddl.qualified(self.dataset, index["name"])
                self.connection.execute(drop.format(place))
        return carry | carried.indexes(
            self.connection, name, self._full(back.state), oid, wanted.values()
        )

    def _refer(self, back: Back) -> None:
        """Add the foreign keys that a version had, where they still can be."""
        for key in back.state.foreign_keys:
            label = f"foreign key ({', '.join(key['columns'])}) → {key['table']}"
            try:
                self._refer_to(back.state.name, key)
            except (psycopg.IntegrityError, psycopg.ProgrammingError) as error:
                reason = error.diag.message_detail or error.diag.message_primary
                back.notes.append(f"{label} not carried over: {reason}")
            except MyriadError as error:
                back.notes.append(f"{label} not carried over: {error}")

    def _made_keys(self, state: State) -> list[str]:
        """Return the foreign keys and checks of Myriad's that a table has."""
        mine = state.report.get("made", ())
        found = existing.query(self.connection, "own_references", oid=state.oid)
        return [row["name"] for row in found if row["name"] in mine]

    def _refer_to(self, name: str, key: Row) -> None:
        target = existing.find(self.connection, key["dataset"], key["table"])  # refuses others'
        if target is not None:
            full = f"{key['dataset']}.{key['table']}"
            existing.refuse_foreign_code(self.connection, full, target.oid)
        with self.connection.transaction():
            statement = ddl.refer(
                ddl.qualified(self.dataset, name),
                key["name"],
                key["columns"],
                ddl.qualified(key["dataset"], key["table"]),
                key["target"],
                actions=(versions.ACTIONS[key["on_delete"]], versions.ACTIONS[key["on_update"]]),
            )
            self.connection.execute(statement)

    def _write_down(self, back: Back, kept: versions.Kept | None) -> None:
        place = {"dataset": self.dataset, "name": back.state.name}
        turn = versions.next_turn(self.connection, **place)
        if back.state.relation is not None:
            if kept is not None:
                versions.keep(self.connection, self.dataset, back.state.name, kept)
            else:
                if back.before is not None:
                    back.notes.append(versions.NOT_KEPT)
                    back.before = None
                versions.query(self.connection, "forget_shown", **place)
            query(self.connection, "shown_again", relation=back.state.relation)
            versions.query(self.connection, "forget_kept", relation=back.state.relation)
        before = back.state.turn
        query(self.connection, "show_now", turn=before, next=turn, **place)
        if back.loaded is not None:
            xid, loaded = back.loaded
            values = {"turn": before, "next": turn, "xid": xid, "loaded": loaded}
            query(self.connection, "load_again", **values, **place)
        change = Jsonb({"made": back.made})
        query(self.connection, "republish", turn=turn, change=change, **place)
        describing.freshen(self.connection, self.dataset, back.state.name)
        back.turn = turn
