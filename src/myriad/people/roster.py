"""A list of all people of an organisation, and what it changes of those who are there.

Lists have people who once stood in one. Whoever was added by hand is nobody's leaver; a list that
names them has them from then on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from myriad.errors import LossRefused, UsageError
from myriad.people.records import NewPerson, Person, members

NEW, LISTED, GONE = "new", "listed", "gone"  # how a list has somebody: see its migration
MOST_LOSSES = 10.0  # percent of the people of a list that may lose something by the next one
FEW = 5  # of so many a share says nothing

Members = Mapping[str, tuple[str, ...]]  # group → names


@dataclass(frozen=True)
class Roster:
    """A list of people.

    Attributes:
        says: what it says of them, of `groups`, `owner`, `until`; the rest stays as it is.
    """

    people: Sequence[NewPerson]
    says: frozenset[str]

    def check(self) -> None:
        """Raise UsageError for a list of nobody: it would disable all."""
        if not self.people:
            raise UsageError(
                "nobody is in the list of people",
                hint="Nothing was changed: see whether what writes it has ended well.",
            )


@dataclass(frozen=True)
class Changes:
    """What a list changes: names, in the order of the list, or sorted.

    Attributes:
        join: who is new; `untold`: is there, and nobody has heard their password.
        back: was disabled because a list did not name them, and can log in again.
        leave: is disabled; `gone`: of all lists' people those whom this one does not name.
        adopt: was added by hand, and is a list's from now on.
        into, out: who joins and leaves which group.
        owner: who may create databases from now on, or not.
        until: when whose account ends from now on.
        shut: is named, and stays disabled: that was done by hand.
        by_hand: whom no list ever named; they stay as they are.
        before: how many people the lists had, with those that this one adopts.
    """

    join: tuple[NewPerson, ...]
    untold: tuple[str, ...]
    back: tuple[str, ...]
    leave: tuple[str, ...]
    gone: tuple[str, ...]
    adopt: tuple[str, ...]
    into: Members
    out: Members
    owner: Mapping[str, bool]
    until: Mapping[str, datetime | None]
    shut: tuple[str, ...]
    by_hand: tuple[str, ...]
    before: int

    @property
    def losing(self) -> list[str]:
        """Who loses an account, a group, or the right to own databases."""
        out = [name for names in self.out.values() for name in names]
        owners = [name for name, owner in self.owner.items() if not owner]
        return list(dict.fromkeys([*self.leave, *out, *owners]))

    def touched(self) -> list[str]:
        """Return everybody for whom something is other than before."""
        moved = [
            name for some in (self.into, self.out) for names in some.values() for name in names
        ]
        new = [person.name for person in self.join]
        some = (*new, *self.untold, *self.back, *self.leave, *self.adopt, *moved)
        return list(dict.fromkeys([*some, *self.owner, *self.until]))

    def refuse_losses(self, most: float) -> None:
        """Raise LossRefused if more than `most` percent lose something: a file may be cut off."""
        losing = self.losing
        if len(losing) < FEW or len(losing) <= self.before * most / 100:
            return
        raise LossRefused(
            f"{len(losing):,} of {self.before:,} people would lose an account, a group,"
            f" or the right to own databases: more than {most:g} percent",
            hint="Nothing was changed. Is the list whole? --dry-run shows what it changes;"
            " --max-losses allows more.",
            losing=losing,
        )

    def data(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {
            "joined": [person.name for person in self.join],
            "back": list(self.back),
            "left": list(self.leave),
            "joined_groups": {group: list(names) for group, names in self.into.items()},
            "left_groups": {group: list(names) for group, names in self.out.items()},
            "owner": dict(self.owner),
            "until": {name: end.isoformat() if end else None for name, end in self.until.items()},
            "adopted": list(self.adopt),
            "disabled_by_hand": list(self.shut),
            "added_by_hand": list(self.by_hand),
        }


def compare(
    roster: Roster, there: Sequence[Person], ours: Collection[str], told: Collection[str] = ()
) -> Changes:
    """Return what a list changes of the people who are there.

    `ours` are the groups that lists have named; of `told` the password is known already.
    """
    named = {person.name: person for person in roster.people}
    known = {person.name: person for person in there}
    both = [known[name] for name in named if name in known]
    missing = [person for person in there if person.roster and person.name not in named]
    moves = _moves(roster, both, ours) if "groups" in roster.says else ({}, {})
    return Changes(
        join=tuple(person for person in roster.people if person.name not in known),
        untold=tuple(p.name for p in both if p.roster == NEW and p.name not in told),
        back=tuple(p.name for p in both if p.roster == GONE),
        leave=tuple(p.name for p in missing if p.roster != GONE and not p.disabled),
        gone=tuple(p.name for p in missing),
        adopt=tuple(p.name for p in both if p.roster is None),
        into=moves[0],
        out=moves[1],
        owner=_new_values(roster, both, "owner"),
        until=_new_values(roster, both, "until"),
        shut=tuple(p.name for p in both if p.disabled and p.roster != GONE),
        by_hand=tuple(p.name for p in there if p.roster is None and p.name not in named),
        before=sum(p.roster in {NEW, LISTED} or p.name in named for p in there),
    )


def _moves(
    roster: Roster, both: Sequence[Person], ours: Collection[str]
) -> tuple[Members, Members]:
    """Return who joins and leaves which group, of those that are a list's to say."""
    wanted = {group: set(names) for group, names in members(roster.people).items()}
    into: dict[str, list[str]] = {}
    out: dict[str, list[str]] = {}
    for group in sorted(wanted.keys() | ours):
        for person in both:
            wants, has = person.name in wanted.get(group, ()), group in person.groups
            if wants != has:
                (into if wants else out).setdefault(group, []).append(person.name)
    return (
        {group: tuple(names) for group, names in into.items()},
        {group: tuple(names) for group, names in out.items()},
    )


def _new_values(roster: Roster, both: Sequence[Person], what: str) -> dict[str, Any]:
    if what not in roster.says:
        return {}
    wanted = {person.name: getattr(person, what) for person in roster.people}
    return {p.name: wanted[p.name] for p in both if getattr(p, what) != wanted[p.name]}
