"""Times and people as they are counted for statements: bounded, added up, and read again."""

from collections.abc import Sequence

# A time is known by the bucket that it falls into: its upper bound is a fifth more than its lower.
FIRST_SECONDS, GROWTH, BUCKETS = 10e-6, 1.2, 120  # the last one begins at 26,000 seconds
BOUNDS = [FIRST_SECONDS * GROWTH**number for number in range(BUCKETS - 1)]
# People: the smallest of their numbers, which are as good as random (k minimum values, Bar-Yossef
# et al., 2002). Fewer are counted exactly; of more, the greatest that is kept tells how many there
# are, to a tenth about.
MOST_PEOPLE = 128
NUMBERS = 1 << 63


def quantile(times: Sequence[int], share: float) -> float:
    """Return the seconds within which that share of all was done, to a tenth; 0 for none."""
    left = share * sum(times)
    for bucket, count in enumerate(times):
        left -= count
        if count and left <= 0:
            return FIRST_SECONDS * float(GROWTH ** (bucket - 0.5))
    return 0.0


def people(numbers: Sequence[int]) -> int:
    """Return how many people there were, of whom these are the smallest numbers."""
    if len(numbers) < MOST_PEOPLE:
        return len(numbers)
    return round((MOST_PEOPLE - 1) * NUMBERS / max(numbers))
