"""People, groups, grants and limits of one installation, as one object."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.people import (
    accounts,
    activity,
    detail,
    grants,
    hiding,
    syncing,
    who,
    workspaces,
)
from myriad.people import groups as grouping
from myriad.people import limits as limiting
from myriad.people.activity import Activity, Ran, Statements
from myriad.people.detail import Detail
from myriad.people.hiding import Hidden
from myriad.people.limits import LimitInForce
from myriad.people.places import Texts
from myriad.people.records import Grant, Group, NewPerson, Person
from myriad.people.register import Register
from myriad.people.roster import MOST_LOSSES, Roster
from myriad.people.syncing import Synced
from myriad.people.who import Who
from myriad.people.workspaces import Workspace
from myriad.settings import Settings


class People:
    """Accounts, groups, grants and limits; every change is all or nothing, one at a time.

    All methods raise PeopleError for names that are not there, there already, or impossible.
    """

    def __init__(self, server: Server, settings: Settings, cluster: Cluster | None = None) -> None:
        self._register = Register(server, settings, cluster)

    @property
    def behind(self) -> str:
        """Why Cassandra does not have all of the last change yet; it follows when it is back."""
        return self._register.behind

    @property
    def reach_cassandra(self) -> bool:
        """Whether there is a Cassandra where people log in with the same passwords."""
        return self._register.reaches_cassandra

    def add_people(
        self,
        names: Sequence[str],
        groups: Sequence[str] = (),
        *,
        owner: bool = False,
        passwords: Mapping[str, str] | None = None,
    ) -> list[tuple[str, str]]:
        """Add people with the same groups; see `add`."""
        given = passwords or {}
        return self.add([NewPerson(name, tuple(groups), owner, given.get(name)) for name in names])

    def add(self, people: Sequence[NewPerson]) -> list[tuple[str, str]]:
        """Add people, and groups that are missing; return each name with its password.

        10,000 people take about 12 seconds on two cores, nearly all of it for what is stored of
        their passwords.
        """
        return accounts.add(self._register, people)

    def list_people(self) -> list[Person]:
        """Return everybody by name."""
        return accounts.listed(self._register)

    def detail(self, name: str) -> Detail:
        """Return all that is known of one person."""
        return detail.of(self._register, name)

    def check_login(self, name: str | None, database: str) -> None:
        """Raise PeopleError if there is no such person, or no such database for people."""
        accounts.check_login(self._register, name, database)

    def remove(self, names: Sequence[str]) -> None:
        """Remove people; returns when their sessions have ended.

        Refuses if one of them owns a database, a keyspace, or tables in one: the message lists
        them. Where Cassandra does not answer, its keyspaces stay, and nobody owns them.
        """
        accounts.remove(self._register, names)

    def disable(self, names: Sequence[str]) -> None:
        """Let people log in no more; returns when their sessions have ended.

        Grants, groups, limits, password and what they own stay. Cassandra ends no session: what is
        open there has no right any more.
        """
        accounts.disable(self._register, names)

    def enable(self, names: Sequence[str]) -> None:
        """Let people log in again who were disabled."""
        accounts.enable(self._register, names)

    def plan_sync(
        self, wanted: Roster, *, most: float = MOST_LOSSES, remove: bool = False
    ) -> Synced:
        """Return what `sync_people` would do, and raise what it would raise."""
        return syncing.look(self._register, wanted, most, remove=remove)

    def sync_people(
        self,
        wanted: Roster,
        tell: Callable[[Synced], None],
        *,
        most: float = MOST_LOSSES,
        remove: bool = False,
    ) -> None:
        """Make people what a list says; `tell` hears what was done, and the passwords of the new.

        Who is in no list any more is disabled, or with `remove` removed, unless they own something.
        Whom no list ever named stays as they are. Raises LossRefused where more than `most` percent
        would lose something. Interrupted, the same call completes it.
        """
        syncing.sync(self._register, wanted, tell, most, remove=remove)

    def set_until(self, names: Sequence[str], until: datetime | None) -> None:
        """Let accounts end at a moment, with their sessions; None: never."""
        accounts.set_until(self._register, names, until)

    def remove_group(self, name: str) -> None:
        """Remove a group with its grants; its members stay. Refuses as `remove` does."""
        grouping.remove(self._register, name)

    def set_password(self, name: str, password: str | None = None) -> str:
        """Give somebody a new password, generated if None; return it. Sessions go on."""
        return accounts.set_password(self._register, name, password)

    def add_groups(self, groups: Sequence[str]) -> None:
        """Add grouping."""
        grouping.add(self._register, groups)

    def list_groups(self) -> list[Group]:
        """Return every group by name."""
        return grouping.listed(self._register)

    def join(self, group: str, names: Sequence[str]) -> None:
        """Put people into a group; who is in it already stays."""
        grouping.join(self._register, group, names)

    def leave(self, group: str, names: Sequence[str]) -> None:
        """Take people out of a group; who is not in it stays out."""
        grouping.leave(self._register, group, names)

    def list_grants(self) -> list[Grant]:
        """Return every grant by group, database, dataset and table."""
        return grants.listed(self._register)

    def grant(
        self,
        groups: Texts,
        places: Texts,
        database: str | None = None,
        *,
        write: bool = False,
        columns: Texts = (),
    ) -> list[Grant]:
        """Let groups read datasets and tables (`dataset.table`), or `write` in them too.

        All or nothing; returns what is granted. Several stand in a list, or with commas. A dataset
        covers tables published later; of a table, `columns` alone may be read. Granted again, the
        new right replaces the old one. The default dataset may be granted before anything is
        published.
        """
        return grants.grant(self._register, groups, places, database, write=write, columns=columns)

    def hidden(
        self, groups: Sequence[str], datasets: Sequence[str], database: str | None = None
    ) -> list[Hidden]:
        """Return which tables somebody of these groups does not find by their short names.

        Another dataset that they may read has a table of that name and comes first. One of the two
        is in `datasets`.
        """
        return hiding.between(self._register, groups, datasets, database)

    def revoke(
        self, groups: Texts, places: Texts, database: str | None = None, *, columns: Texts = ()
    ) -> list[Grant]:
        """Take what `grant` gave, and the database if it was the last grant there.

        Of a table only some `columns`, if they are named. All or nothing; returns what was granted:
        nothing of a workspace, which goes alone. What is in it stays.
        """
        if isinstance(places, str) and workspaces.close_to(
            self._register, groups, places, database
        ):
            return []
        return grants.revoke(self._register, groups, places, database, columns=columns)

    def create_workspace(
        self,
        groups: Texts,
        dataset: str,
        database: str | None = None,
        *,
        megabytes: float | None = None,
    ) -> Workspace:
        """Let groups make tables of their own in a dataset; it is made, and begins empty.

        It holds `megabytes` at most, 1,000 unless said; called again, that is changed. PostgreSQL
        alone has workspaces.
        """
        return workspaces.open_to(self._register, groups, dataset, database, megabytes)

    def list_workspaces(self) -> list[Workspace]:
        """Return every workspace, whose it is, and what it holds."""
        return workspaces.listed(self._register)

    def drop_workspace(self, dataset: str, database: str | None = None) -> None:
        """Drop a workspace with all that is in it: for good."""
        workspaces.drop(self._register, dataset, database)

    def columns_in_cassandra(self, given: Sequence[Grant]) -> list[str]:
        """Return which grants of columns are of tables that Cassandra has too: not there."""
        return grants.columns_in_cassandra(self._register, given)

    def granted(self, database: str, dataset: str, table: str) -> list[Grant]:
        """Return the grants that are of a table: of its dataset, and of itself."""
        return [
            grant
            for grant in self.list_grants()
            if (grant.database, grant.dataset) == (database, dataset)
            and grant.table in (None, table)
        ]

    def who(self, table: str, database: str | None = None) -> Who:
        """Return who may see a table (`dataset.table`, or one of the default dataset), by what.

        Also by what was given outside Myriad. Raises NotRunning.
        """
        return who.who(self._register, table, database)

    def set_limits(
        self, names: str | Sequence[str], limits: Mapping[str, float | None], *, reset: bool = False
    ) -> None:
        """Set limits of people: name of the limit → value, 0 for no limit; see `myriad.limits`.

        None leaves a limit to the groups and the settings again, `reset` all that were set before.
        The door obeys at once.
        """
        some = [names] if isinstance(names, str) else list(dict.fromkeys(names))
        limiting.set_people(self._register, some, limits, reset=reset)

    def limits(self, name: str) -> tuple[LimitInForce, ...]:
        """Return the limits that hold for a person, and where each comes from."""
        return limiting.person(self._register, name)

    def set_group_limits(
        self,
        group: str,
        limits: Mapping[str, float | None],
        *,
        reset: bool = False,
        pool: str | None = None,
    ) -> None:
        """Set limits of a group as `set_limits` does for people, and how its sessions are pooled.

        They hold for each of its people who has no own: of several groups, the most generous.
        """
        limiting.set_group(self._register, group, limits, reset=reset, pool=pool)

    def group_limits(self, group: str) -> tuple[LimitInForce, ...]:
        """Return the limits that a group gives to its people, and where each comes from."""
        return limiting.group(self._register, group)

    def activity(self, names: Sequence[str] = ()) -> list[Activity]:
        """Return what people do now, everybody without names; raises NotRunning without a door."""
        accounts.require(self._register, names)
        return activity.now(self._register.server, names)

    def stop(self, names: Sequence[str]) -> int:
        """Cancel what people run now; return how many statements that were. Sessions go on.

        Raises NotRunning without a door.
        """
        accounts.require(self._register, names)
        if not names:
            return 0
        stopped = activity.stop(self._register.server, names)
        self._register.note("people stop", names)
        return stopped

    def disconnect(self, names: Sequence[str]) -> int:
        """End people's sessions, also those idle in a transaction; return how many that were.

        They may come again. Raises NotRunning without a door.
        """
        accounts.require(self._register, names)
        if not names:
            return 0
        ended = activity.disconnect(self._register.server, names)
        self._register.note("people stop", names, ["--disconnect"])
        return ended

    def audit(
        self, name: str | None = None, *, last: int = 50, since: datetime | None = None
    ) -> list[Ran]:
        """Return the last statements of everybody, or of one name (also removed), newest first.

        And what commands of Myriad's changed of people, groups, grants and limits, or of that name.
        """
        return activity.ran(self._register.server, name, last, since)

    def statements(self, *, last: int = 20, since: datetime | None = None) -> list[Statements]:
        """Return what statements have cost since that day, of all people, without their values.

        Those that took most of the time come first. What is no query is counted by its command.
        Kept for 90 days, of each day the 2,000 that took most; known ten seconds later.
        """
        return activity.statements(self._register.server, last, since)

    def apply(self, database: str, dataset: str) -> None:
        """Make rights in a dataset what the grants say; call it when the dataset was made."""
        grants.apply(self._register, database, dataset)

    def follow(self, database: str, dataset: str) -> None:
        """Sync where tables of a dataset are granted one by one: call it when some were made."""
        if any(
            grant.table is not None and (grant.database, grant.dataset) == (database, dataset)
            for grant in self.list_grants()
        ):
            self.sync()

    def sync(self) -> None:
        """Make Cassandra equal to what stands here, as every change does; `behind` says if not."""
        self._register.follow()
