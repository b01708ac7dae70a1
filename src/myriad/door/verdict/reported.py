"""Settings that the server tells its clients: it must be able to, in the client's encoding.

Where it cannot, it tries again for ever: it reads nothing more, obeys neither a request to cancel
nor one to end, and whoever makes or drops a database waits for it (ReportChangedGUCOptions in
guc.c, which PostgresMain calls again behind each error of its own). So such a change is refused.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from myriad.pgwire.faults import Fault

ENCODING = "client_encoding"
# Of the settings of a session; a startup message has 10,000 at most. Who wants more has something
# else in mind.
MOST_BYTES = 16 << 10
# Those of the reported settings that may hold any letter, as the door and as the server has them.
TEXTS = {"search_path": "search_path", "timezone": "TimeZone"}
DEFAULT = "\0"  # no value has a NUL
WIDE = frozenset(("utf8", "unicode", "sqlascii"))  # nothing is converted, or everything can be
# Python's codecs of these encodings: what they have, PostgreSQL has, too. For others only ASCII is
# taken for sure; tests/integration/test_door_told.py tries each letter of each.
CODECS = {
    **{f"latin{number}": f"latin{number}" for number in range(1, 11)},
    **{f"iso8859{part}": f"iso8859_{part}" for part in (*range(1, 11), *range(13, 17))},
    **{f"{name}{page}": f"cp{page}" for name in ("win", "windows") for page in range(1250, 1259)},
    **{f"{name}{page}": f"cp{page}" for name in ("win", "windows") for page in (866, 874)},
    "alt": "cp866",
    "win": "cp1251",
    "koi8": "koi8_r",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
    **dict.fromkeys(("tcvn", "tcvn5712", "vscii", "abc"), "cp1258"),
    "euccn": "gb2312",
    "eucjp": "euc_jp",
}
_UNLIKE = {"eucjp": frozenset("¢£¥¬‖‾\u2212〜")}  # Python has another letter for these bytes
UNTOLD = Fault(
    "22P05",
    "the server could not tell this value of search_path or TimeZone in the client_encoding",
    "Set client_encoding to UTF8 first; or search_path to names that it has, written out, in a"
    " transaction of its own.",
)

STUCK = Fault("22P05", "terminating connection: the server could not tell a setting", UNTOLD.hint)
MOST_REPEATS = 20  # of an error within one unit, of which there can be one

Change = tuple[str, str | None]  # name and value; None: it is not known
RESET_ALL: frozenset[Change] = frozenset((name, DEFAULT) for name in (ENCODING, *TEXTS))


def plain(encoding: str) -> str:
    """Return the name of an encoding as PostgreSQL compares it: letters and digits only."""
    return "".join(letter for letter in encoding.lower() if letter.isalnum())


def change(name: str, written: list[str | bool | None]) -> Change | None:
    """Return what a text makes of a setting, if it is one of these; None if it never matters."""
    if name != ENCODING and name not in TEXTS:
        return None
    if not written:
        return name, DEFAULT
    if not all(isinstance(value, str | bool) for value in written):
        return name, None
    value = ", ".join(map(str, written))
    if name == ENCODING:
        return name, value[:MOST_BYTES]
    if value.isascii():
        return None
    return name, value if len(value) <= MOST_BYTES else None


def can_tell(encoding: str | None, value: str | None) -> bool:
    """Say whether a value has only letters that an encoding has; None: which ones is not known."""
    name = plain(encoding or "")
    if name in WIDE or (value is not None and value.isascii()):
        return True
    if value is None or name not in CODECS or not _UNLIKE.get(name, frozenset()).isdisjoint(value):
        return False
    try:
        value.encode(CODECS[name])
    except UnicodeEncodeError:
        return False
    return True


def fits(named: Mapping[str, str], reported: Mapping[str, str]) -> bool:
    """Say whether a session may begin with these settings, and the server's own for the others."""
    encoding = named.get(ENCODING)
    texts = (named.get(name, reported.get(shown, "")) for name, shown in TEXTS.items())
    return encoding is None or all(can_tell(encoding, text) for text in texts)


def is_delicate(change: Change) -> bool:
    """Say whether it matters when, and in which encoding, such a change is made."""
    name, value = change
    return name != ENCODING or not can_tell(value, None)


class Known(NamedTuple):
    """What is known of a session's settings.

    Attributes:
        now, initial: those that it has, and began with, beyond the server's own.
        reported: the server's own, as it says them.
        earlier: names of those that this transaction may have changed.
    """

    now: Mapping[str, str]
    initial: Mapping[str, str]
    reported: Mapping[str, str]
    earlier: frozenset[str]

    def values(self, name: str) -> list[str | None]:
        """Return the values that a setting may have now."""
        value = self.now.get(name, self._own(name))
        return [value, None] if name in self.earlier else [value]

    def first(self, name: str) -> str:
        """Return the value that a setting began with."""
        return self.initial.get(name, self._own(name))

    def restored(self, changes: Collection[Change]) -> list[str]:
        """Return the values that texts get back: the server tells its own before the session's."""
        names = [name for name, value in changes if name in TEXTS and value == DEFAULT]
        own = [] if (ENCODING, DEFAULT) in changes else map(self._own, names)
        return [*map(self.first, names), *own]

    def _own(self, name: str) -> str:
        return "UTF8" if name == ENCODING else self.reported.get(TEXTS[name], "")


def objection(changes: Collection[Change], known: Known) -> Fault | None:
    """Return why a text must not make these changes in a session, None if it may."""
    encodings = [value for name, value in changes if name == ENCODING]
    new = [known.first(ENCODING) if value == DEFAULT else value for value in encodings]
    written = [value for name, value in changes if name in TEXTS and value != DEFAULT]
    now, restored = known.values(ENCODING), known.restored(changes)
    texts = [each for name in TEXTS for each in known.values(name)]
    pairs = [(encoding, text) for encoding in now for text in (*written, *restored)]
    if not all(can_tell(encoding, None) for encoding in now):  # it was written in another encoding
        written = [None] * bool(written)
    pairs += [(encoding, text) for encoding in new for text in (*texts, *written, *restored)]
    return None if all(can_tell(*pair) for pair in pairs) else UNTOLD
