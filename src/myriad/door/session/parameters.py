"""The settings of one session: PostgreSQL's run-time parameters, beyond the server's own."""

from collections.abc import Iterable

from myriad.door.server import settings
from myriad.door.server.asking import Setting
from myriad.door.server.settings import Values
from myriad.door.server.statements import ANYTHING
from myriad.door.verdict.setting_changes import HARMLESS
from myriad.door.verdict.verdict import Verdict

NOTHING: frozenset[str] = frozenset()


class Parameters:
    """What they are, and what of them may have changed.

    Attributes:
        initial: those that the session began with, which RESET brings back.
        values: those that it has now.
        touched, restored: names of those that this transaction may have changed, or reset.
        local: names of those that it may have changed until its own end.
        renews: it may have changed what new server connections begin with.
    """

    __slots__ = ("initial", "local", "renews", "restored", "touched", "values")

    def __init__(self, values: Values) -> None:
        self.initial = self.values = values
        self.touched = self.restored = self.local = NOTHING
        self.renews = False

    @property
    def unsettled(self) -> frozenset[str]:
        """Those that may have another value in this transaction, as far as it matters."""
        if not (self.touched or self.local):
            return NOTHING
        return (self.touched | self.local) - HARMLESS

    def change(self, verdict: Verdict) -> None:
        """Note what a statement that is sent now may change."""
        self.touched |= verdict.settings
        self.restored |= verdict.restores
        if verdict.resets:
            self.restored |= {*self.values.named, *self.initial.named}
            self.touched |= self.restored
        self.local |= verdict.local
        if verdict.opaque:
            self.local |= {ANYTHING}
        self.renews = self.renews or verdict.renews

    def to_restore(self) -> dict[str, str]:
        """Return those that RESET has changed and that the session began with."""
        names = self.restored & self.initial.named.keys()
        return {name: self.initial.named[name] for name in names}

    def are_restored(self) -> None:
        """Hear that those have their first values again."""
        self.restored = NOTHING

    def are_renewed(self) -> None:
        """Hear that it was looked what new server connections begin with."""
        self.renews = False

    def found(self, some: Iterable[Setting]) -> dict[str, str]:
        """Return all, now that the server has told those that may have changed."""
        named = dict(self.values.named)
        for name, value, default, plain in some:
            if value is None or (plain is not None and plain == default):
                named.pop(name, None)
            else:
                named[name] = value
        self.touched = NOTHING
        return named

    def set_to(self, named: dict[str, str]) -> None:
        """Have these from now on."""
        self.values = settings.of(named)

    def end_transaction(self) -> None:
        """Forget what has ended with the transaction."""
        self.local = NOTHING

    def undo(self) -> None:
        """Hear that the transaction is lost, with all that it has changed."""
        self.touched = self.restored = self.local = NOTHING
