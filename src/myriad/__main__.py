"""Where every command starts: `myriad`, and `python -m myriad`."""

import sys

from myriad.cli import main


class _NoPandas:
    """Lets pandas seem not installed: pyarrow loads it for its first array, and nothing needs it.

    That takes as long as all else that a command loads. Only for processes that are ours alone.
    """

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("Myriad's commands do without pandas", name=name)


def run() -> None:
    """Run the command that `sys.argv` names."""
    sys.meta_path.insert(0, _NoPandas)
    main()


if __name__ == "__main__":
    run()
