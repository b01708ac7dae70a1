"""The numbers by which clients know their sessions: each says which process of the door has it."""

import secrets

MOST_PROCESSES = 32
# No process of a system has such a number, and a session of the door has no other one.
FIRST_NUMBER, LAST_NUMBER = 1 << 30, (1 << 31) - 2
_BITS = 25  # by which the sessions of one process differ


def new(process: int) -> int:
    """Return a number that a session of that process may have."""
    return min(FIRST_NUMBER + (process << _BITS) + secrets.randbelow(1 << _BITS), LAST_NUMBER)


def process_of(number: int) -> int:
    """Return which process of the door a session of that number is in."""
    return (number - FIRST_NUMBER) >> _BITS
