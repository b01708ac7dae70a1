"""People, groups, grants and limits, and what they become in each engine; not what they read."""

from myriad.people.activity import Activity, Ran, Statements
from myriad.people.detail import Detail
from myriad.people.hiding import Hidden
from myriad.people.limits import LimitInForce
from myriad.people.people import People
from myriad.people.records import Grant, Group, NewPerson, Person
from myriad.people.roster import Roster
from myriad.people.syncing import Synced
from myriad.people.workspaces import Workspace

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
