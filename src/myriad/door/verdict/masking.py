"""Statements that may hold a password: they are shown without what may be one.

A rule that is easy to be sure of: of a text that tells of passwords, nothing is shown from its
first string on, and no comment. Of one that makes or changes a role, only which role that is.
"""

import re
from functools import lru_cache

# In lower case; each is part of a name, of a keyword, or of a connection string.
_WORDS = re.compile(
    rb"passw|passphrase|pwd|secret|credential|api_?key|private_key|crypt\(|pgp_sym|hmac\("
    rb"|scram-sha-256\$"
)
# Each pattern takes time in proportion to the text: no two parts of one may match the same bytes.
_URL = re.compile(rb"://[^\s/'@:]*:[^\s/'@]*@")
# What is shown of a statement whose password may stand anywhere, even without quotation marks.
_HEAD = re.compile(
    rb"(?i)\b(?:create|alter)\s+(?:role|user|group)\s+(?:if\s+not\s+exists\s+|mapping\s+for\s+)*"
    rb"[^\s;]+"
    rb"|\bset\s+(?:local\s+|session\s+)?[\w.\"]*(?:passw|pwd|secret|credential)[\w.\"]*"
)
_HIDING = re.compile(rb"(?s)--[^\n]*|/\*.*?\*/|/\*|'|\$(?![0-9])")
_REST = " …".encode()


def tells(text: bytes) -> bool:
    """Say whether a text may hold a password."""
    lowered = text.lower()
    if _WORDS.search(lowered):
        return True
    if b"://" in lowered and _URL.search(text):
        return True
    return (b"alter" in lowered or b"create" in lowered) and _HEAD.search(text) is not None


@lru_cache(maxsize=1000)
def masked(text: bytes) -> bytes:
    """Return a statement as it may be shown and kept; the text may be cut at its end."""
    if not tells(text):
        return text
    head = _HEAD.search(text)
    end = head.end() if head else len(text)
    kept, position = [], 0
    for found in _HIDING.finditer(text, 0, end):
        kept.append(text[position : found.start()])
        comment = found[0][:2] in {b"--", b"/*"} and len(found[0]) > len(b"/*")
        if not comment or b"/*" in found[0][2:]:  # a string, or more of a comment behind it
            return b"".join(kept).rstrip() + _REST
        position = found.end()
    return b"".join([*kept, text[position:end]]) + (_REST if text[end:].strip(b" \n;") else b"")
