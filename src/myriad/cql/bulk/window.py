"""How much may be in flight on a connection: more while answers come as fast, less when they lag.

The rule is TCP Vegas' (Brakmo and Peterson, 1994): what is in flight beyond `window × fastest ÷
latency` only waits in the node's queue. A node that says it is overloaded, or does not answer in
time, halves the window.
"""

SMALLEST = 1
FIRST = 4
BIGGEST = 64
# Batches that may wait in the queue of a node for one connection; with none it would run dry
# whenever we are late. Measured with 2 to 8 in benchmarks: no difference beyond noise.
FEW, MANY = 2, 4
FORGET = 10.0  # seconds after which the fastest answer counts no more: the node has changed
WEIGHT = 0.125  # of a new answer in the mean, as in TCP


class Window:
    """The number of batches that may be in flight at once."""

    def __init__(self) -> None:
        self.size = FIRST
        self._mean = 0.0
        self._fastest = 0.0
        self._measured = 0.0  # when the fastest was
        self._left = FIRST  # answers until the window changes
        self._halved = 0.0

    def answered(self, latency: float, now: float) -> None:
        """Take note of an answer after `latency` seconds."""
        self._mean += (latency - self._mean) * (WEIGHT if self._mean else 1.0)
        if latency <= self._fastest or now - self._measured > FORGET or not self._fastest:
            self._fastest, self._measured = latency, now
        self._left -= 1
        if self._left <= 0:
            self._change()

    def overloaded(self, sent: float, now: float) -> None:
        """Take note that the node did not keep up with what was sent at `sent`."""
        if sent >= self._halved:  # what was in flight together says it once
            self.size = max(self.size // 2, SMALLEST)
            self._halved = now
            self._left = self.size

    def _change(self) -> None:
        waiting = self.size * (1 - self._fastest / self._mean) if self._mean else 0.0
        if waiting < FEW:
            self.size = min(self.size + 1, BIGGEST)
        elif waiting > MANY:
            self.size = max(self.size - 1, SMALLEST)
        self._left = self.size
