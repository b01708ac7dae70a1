"""A cache that is bounded in bytes."""

from hypothesis import given
from hypothesis import strategies as st

from myriad.door.cache import ENTRY_BYTES, Cache


def _cache(most_bytes: int) -> Cache[str, bytes]:
    return Cache(most_bytes, lambda _, value: len(value))


def _entries(*sizes: int) -> int:
    return sum(sizes) + ENTRY_BYTES * len(sizes)


def test_what_is_put_is_found_and_counted() -> None:
    cache = _cache(10_000)
    cache.put("a", b"1" * 10)
    cache.put("b", b"2" * 20)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1" * 10, b"2" * 20, None)
    assert (len(cache), cache.bytes) == (2, _entries(10, 20))


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache = _cache(_entries(100, 100))
    cache.put("a", bytes(100))
    cache.put("b", bytes(100))
    cache.get("a")
    cache.put("c", bytes(100))
    assert list(cache) == ["a", "c"]
    assert cache.bytes == _entries(100, 100)


def test_what_can_never_fit_is_not_kept_and_moves_nothing_out() -> None:
    cache = _cache(_entries(100))
    cache.put("a", bytes(100))
    cache.put("huge", bytes(101))
    assert list(cache) == ["a"]
    cache.put("a", bytes(101))  # what was there is not the truth any more
    assert (list(cache), cache.bytes) == ([], 0)


def test_an_entry_is_replaced_and_counted_once() -> None:
    cache = _cache(10_000)
    cache.put("a", bytes(1))
    cache.put("a", bytes(7))
    assert (len(cache), cache.bytes) == (1, _entries(7))


def test_what_is_taken_out_is_counted_no_more() -> None:
    cache = _cache(10_000)
    cache.put("a", b"x")
    assert (cache.pop("a"), cache.pop("a"), cache.bytes) == (b"x", None, 0)
    cache.put("a", b"x")
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2000), st.booleans())))
def test_it_never_holds_more_than_its_bound(steps: list[tuple[str, int, bool]]) -> None:
    cache = _cache(4000)
    for key, size, put in steps:
        if put:
            cache.put(key, bytes(size))
        else:
            cache.get(key)
        assert cache.bytes == sum(_entries(len(cache.get(each) or b"")) for each in list(cache))
        assert cache.bytes <= cache.most_bytes
