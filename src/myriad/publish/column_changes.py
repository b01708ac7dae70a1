"""How the columns of one table differ from those of another, in lines for people."""

from collections.abc import Mapping


def of_columns(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return a line for each column that is new, gone or of another type: name → type."""
    return [
        *(f"+ {name} {kind}" for name, kind in after.items() if name not in before),
        *(f"- {name} {kind}" for name, kind in before.items() if name not in after),
        *(
            f"~ {name} {before[name]} → {kind}"
            for name, kind in after.items()
            if name in before and before[name] != kind
        ),
    ]
