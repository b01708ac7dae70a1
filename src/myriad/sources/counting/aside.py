"""Work on a file in a thread beside the one that reads it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")
Stopped = Callable[[], bool]


class Aside(Generic[Result]):
    """One call of `work`, which looks now and then whether it shall stop."""

    def __init__(self, work: Callable[[Stopped], Result]) -> None:
        self._work, self._stop = work, threading.Event()
        self._future: Future[Result] = Future()
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._future.set_result(self._work(self._stop.is_set))
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._future.set_exception(error)

    @property
    def done(self) -> bool:
        """Whether `result` returns at once."""
        return self._future.done()

    def result(self) -> Result:
        """Wait for the result; raises what `work` raised."""
        return self._future.result()

    def stop(self) -> None:
        """End it; whatever it found is of no use."""
        self._stop.set()
        self._thread.join()
