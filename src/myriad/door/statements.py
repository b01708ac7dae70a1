"""Prepared statements: one name in the server for the same text and types, whoever prepared it."""

import itertools
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from myriad.door.verdict import Verdict

# Nobody can guess it, so no client's own name is ever one of ours.
PREFIX = f"myriad_{secrets.token_hex(8)}"
NOBODY = f"{PREFIX}_none".encode()
OURS = re.compile(rb"%s_\w+" % PREFIX.encode())
MOST_ON_A_CONNECTION = 200  # each may hold a plan of some 100 kB in the server
MOST_KNOWN = 5000

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement as it is prepared in the server.

    Attributes:
        name: its name in the server.
        sql, types: the text and what follows it in Parse.
        verdict: what it leaves behind.
    """

    name: bytes
    sql: bytes
    types: bytes
    verdict: Verdict


class Statements:
    """Statements by text and types; those not used for long are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, bytes, int], Statement] = OrderedDict()

    def of(self, sql: bytes, types: bytes, verdict: Verdict) -> Statement:
        """Return the statement of that text and these types."""
        key = (sql, types, id(verdict))
        found = self._known.get(key)
        if found is None:
            name = f"{PREFIX}_{next(_numbers)}".encode()
            found = self._known[key] = Statement(name, sql, types, verdict)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found
