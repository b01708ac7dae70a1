"""Libraries that others would load for nothing."""

import os
import sys


class _NoPandas:
    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("Myriad does without pandas", name=name)


def load_less() -> None:
    """Let libraries do nothing that nobody needs while they are loaded.

    Only for processes that are ours alone, before any of these libraries is loaded.
    """
    # pyarrow loads pandas for its first array, which takes as long as all else a command loads.
    sys.meta_path.insert(0, _NoPandas)
    # The algebra of numpy begins a thread for each core, which look for work for 50 ms.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
