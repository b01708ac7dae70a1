"""Where rows belong: tokens of partition keys, and which nodes hold a token's replicas.

Source: Cassandra's `MurmurHash.hash3_x64_128` and `Murmur3Partitioner`. It differs from MurmurHash3
in the tail, whose bytes are sign-extended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from myriad.cql.session import Session
from myriad.errors import EngineError

C1 = np.uint64(0x87C37B91114253D5)
C2 = np.uint64(0x4CF5AD432745937F)
MIX1 = np.uint64(0xFF51AFD7ED558CCD)
MIX2 = np.uint64(0xC4CEB9FE1A85EC53)
ADD1, ADD2 = np.uint64(0x52DCE729), np.uint64(0x38495AB5)
FIVE = np.uint64(5)
BLOCK = 16
EACH_BYTE = np.uint64(0x0101010101010101)
MASKS = np.array([(1 << 8 * number) - 1 for number in range(9)], np.uint64)
# The smallest token stands for "before all"; Murmur3Partitioner gives such a key the greatest.
FIRST, LAST = -(1 << 63), (1 << 63) - 1


def token(key: bytes) -> int:
    """Return the token of one partition key in wire form."""
    data = np.frombuffer(key, np.uint8)
    return int(tokens(data, np.zeros(1, np.int64), np.array([len(key)], np.int64))[0])


def tokens(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the tokens of partition keys in wire form.

    Key i is `data[starts[i] : starts[i] + lengths[i]]`. The wire form of a key of several columns
    has for each its length in 2 bytes, its value, and a zero byte.
    """
    padded = np.concatenate((data, np.zeros(BLOCK, np.uint8)))
    # The 8 bytes from each place on, without a copy.
    words = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))
    found = np.empty(len(starts), np.int64)
    blocks = lengths // BLOCK
    for number in np.unique(blocks).tolist():
        chosen = np.flatnonzero(blocks == number)
        found[chosen] = _alike(words, starts[chosen], lengths[chosen], number)
    return found


def _alike(
    words: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64], blocks: int
) -> NDArray[np.int64]:
    """Return the tokens of keys that have the same number of whole blocks."""
    h1 = np.zeros(len(starts), np.uint64)
    h2 = np.zeros(len(starts), np.uint64)
    for block in range(blocks):
        here = starts + block * BLOCK
        h1, h2 = _mix(h1, h2, words[here], words[here + 8])
    rest = starts + blocks * BLOCK
    left = lengths - blocks * BLOCK
    h1 ^= _scramble(_tail(words[rest], np.minimum(left, 8)), C1, 31, C2)
    h2 ^= _scramble(_tail(words[rest + 8], np.maximum(left - 8, 0)), C2, 33, C1)
    return _finish(h1, h2, lengths.astype(np.uint64))


def _tail(words: NDArray[np.uint64], number: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the first `number` bytes of each word, each one's sign reaching to the left.

    The extended bytes are combined by xor: a byte comes out inverted where an odd number of
    those to its right is negative.
    """
    words = words & MASKS[number]
    odd = ((words >> np.uint64(7)) & EACH_BYTE) << np.uint64(8)
    for by in (8, 16, 32):
        odd ^= odd << np.uint64(by)
    return words ^ (odd * np.uint64(0xFF))


def _rotated(words: NDArray[np.uint64], by: int) -> NDArray[np.uint64]:
    return (words << np.uint64(by)) | (words >> np.uint64(64 - by))


def _scramble(
    words: NDArray[np.uint64], first: np.uint64, by: int, second: np.uint64
) -> NDArray[np.uint64]:
    return _rotated(words * first, by) * second


def _mix(
    h1: NDArray[np.uint64], h2: NDArray[np.uint64], k1: NDArray[np.uint64], k2: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    h1 = (_rotated(h1 ^ _scramble(k1, C1, 31, C2), 27) + h2) * FIVE + ADD1
    h2 = (_rotated(h2 ^ _scramble(k2, C2, 33, C1), 31) + h1) * FIVE + ADD2
    return h1, h2


def _finish(
    h1: NDArray[np.uint64], h2: NDArray[np.uint64], lengths: NDArray[np.uint64]
) -> NDArray[np.int64]:
    h1, h2 = h1 ^ lengths, h2 ^ lengths
    h1 = h1 + h2
    h2 = h2 + h1
    found = (_final(h1) + _final(h2)).view(np.int64)
    found[found == FIRST] = LAST
    return found


def _final(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(33))) * MIX1
    words = (words ^ (words >> np.uint64(33))) * MIX2
    return words ^ (words >> np.uint64(33))


@dataclass(frozen=True)
class Node:
    """A node as the others know it."""

    host: str
    center: str
    rack: str
    tokens: tuple[int, ...]


class Ring:
    """Which nodes hold which tokens, for one keyspace, within the data center that we talk to.

    Attributes:
        ends: the tokens at which ranges end, ascending; range i holds the tokens above `ends[i-1]`
            up to `ends[i]`, and range 0 those above the last one too.
        replicas: for each range the addresses of its replicas, the primary one first.
        hosts: the addresses of all nodes.
    """

    def __init__(
        self, nodes: Sequence[Node], center: str, replication: Mapping[str, str] | None
    ) -> None:
        owners = sorted((token, node) for node in nodes for token in node.tokens)
        self.ends = np.array([token for token, _ in owners], np.int64)
        self.hosts = tuple(node.host for node in nodes if node.center == center)
        around = [node for _, node in owners]
        copies, simple = _copies(replication or {}, center)
        self.replicas = tuple(
            _replicas(around[start:] + around[:start], copies, "" if simple else center)
            for start in range(len(around))
        )

    def range_of(self, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each token the position of its range."""
        return np.searchsorted(self.ends, found, side="left") % len(self.ends)


def read_ring(session: Session, keyspace: str) -> Ring:
    """Read the ring from the node that the session talks to.

    Raises EngineError if the cluster does not place rows by Murmur3, or as `Session.query` does.
    """
    connection = session.connection()  # one node's view: another one calls itself "local"
    [(partitioner, center, rack, own)] = connection.query(
        "SELECT partitioner, data_center, rack, tokens FROM system.local"
    )
    if not str(partitioner).endswith(".Murmur3Partitioner"):
        raise EngineError(
            f"the cluster places rows by {partitioner}",
            hint="Myriad needs Murmur3Partitioner, Cassandra's default.",
        )
    nodes = [Node(connection.host, center, rack, _numbers(own))]
    nodes += [
        Node(str(host), center_of, rack_of, _numbers(theirs))
        for host, center_of, rack_of, theirs in connection.query(
            "SELECT native_address, data_center, rack, tokens FROM system.peers_v2"
        )
    ]
    found = connection.query(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", [keyspace]
    )
    return Ring(nodes, center, found[0][0] if found else None)


def _numbers(found: set[str] | None) -> tuple[int, ...]:
    return tuple(map(int, found or ()))


def _copies(replication: Mapping[str, str], center: str) -> tuple[int, bool]:
    """Return how many replicas a range has in a data center, and whether centers do not matter."""
    simple = replication.get("class", "SimpleStrategy").endswith("SimpleStrategy")
    factor = replication.get("replication_factor" if simple else center, "1")
    full = factor.partition("/")[0]  # "3/1": one of three is transient
    return (int(full) if full.isdecimal() else 1), simple


def _replicas(around: Sequence[Node], copies: int, center: str) -> tuple[str, ...]:
    """Return who holds a range, going around the ring from its end.

    Without a center as SimpleStrategy does it, else as NetworkTopologyStrategy: racks that hold
    the range already come again only when every rack has it.
    """
    order = list(dict.fromkeys(node for node in around if center in ("", node.center)))
    if center:
        seen: dict[str, int] = {}
        turns = {node: seen.setdefault(node.rack, len(seen)) for node in order}
        firsts = [
            next(group)
            for _, group in groupby(sorted(order, key=turns.__getitem__), turns.__getitem__)
        ]
        order = firsts + [node for node in order if node not in firsts]
    return tuple(node.host for node in order[:copies])
