"""What whoever runs Myriad changes of people, written down in the transaction that does it."""

import shlex
from collections.abc import Sequence

import psycopg

from myriad.machine.process import account
from myriad.people.names import SHOWN
from myriad.people.tables import SQL
from myriad.wording import harmless

WAY = "command"  # how they came in, as the audit names ways


def note(
    connection: psycopg.Connection,
    command: str,
    names: Sequence[str],
    options: Sequence[str] = (),
) -> None:
    """Write down a change as its command is typed, and by which account of the machine.

    `names` are the people and groups that it is about; `options` hold no password.
    """
    shown = shlex.join([*command.split(), *names[:SHOWN], *options])
    more = f" … and {len(names) - SHOWN:,} more names" if len(names) > SHOWN else ""
    values = {
        "account": account(),
        "statement": _storable(shown + more),
        "names": [_storable(name) for name in dict.fromkeys(names)],
    }
    connection.execute(SQL["note"], values)
    connection.execute(SQL["forget_notes"])


def _storable(text: str) -> str:
    """Return text that is perhaps no name at all, as it can be stored and shown."""
    return harmless(text.encode("utf-8", "backslashreplace").decode())
