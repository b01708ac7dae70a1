"""People, groups, grants and limits, and what they become in each engine; not what they read."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from myriad.people.activity import Activity, Ran, Statements
    from myriad.people.detail import Detail
    from myriad.people.hiding import Hidden
    from myriad.people.limits import LimitInForce
    from myriad.people.people import People
    from myriad.people.records import Grant, Group, NewPerson, Person
    from myriad.people.roster import Roster
    from myriad.people.syncing import Synced
    from myriad.people.workspaces import Workspace
else:
    _WHERE = {
        "Activity": "activity",
        "Detail": "detail",
        "Grant": "records",
        "Group": "records",
        "Hidden": "hiding",
        "LimitInForce": "limits",
        "NewPerson": "records",
        "People": "people",
        "Person": "records",
        "Ran": "activity",
        "Roster": "roster",
        "Statements": "activity",
        "Synced": "syncing",
        "Workspace": "workspaces",
    }

    def __getattr__(name: str) -> object:
        """Load what is asked for: whoever publishes needs a table's grants, and nothing else."""
        if name in _WHERE:
            return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Activity",
    "Detail",
    "Grant",
    "Group",
    "Hidden",
    "LimitInForce",
    "NewPerson",
    "People",
    "Person",
    "Ran",
    "Roster",
    "Statements",
    "Synced",
    "Workspace",
]
