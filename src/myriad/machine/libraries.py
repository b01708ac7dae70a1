"""Libraries that others would load for nothing."""

import sys


class _NoPandas:
    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("Myriad does without pandas", name=name)


def do_without_pandas() -> None:
    """Let pandas seem not installed: pyarrow loads it for its first array, and nothing needs it.

    That takes as long as all else that a command loads. Only for processes that are ours alone.
    """
    sys.meta_path.insert(0, _NoPandas)
