"""Who rules in our Cassandra: Myriad alone, whatever somebody made before."""

from contextlib import closing

import pytest

from myriad import Myriad
from myriad.cql.names import quoted
from myriad.engines.cassandra.nodes import superuser
from myriad.errors import EngineError
from myriad.people.cassandra import sync as cassandra
from myriad.people.tables import SQL
from tests.cql_people import Login, as_administrator, cannot_log_in, refused
from tests.harness import as_admin


def test_the_default_superuser_cannot_log_in(login: Login) -> None:
    cannot_log_in(login, "cassandra", "cassandra")


def test_a_superuser_that_somebody_made_while_login_was_open_is_shut_at_the_next_start(
    clustered: Myriad, login: Login, tag: str
) -> None:
    planted, member = f"planted {tag}", f"member {tag}"
    enters = "LOGIN = true AND PASSWORD = 'known'"
    as_administrator(
        clustered,
        f"CREATE ROLE {quoted(planted)} WITH SUPERUSER = true AND {enters}",
        f"CREATE ROLE {quoted(member)} WITH {enters}",
        f"GRANT myriad TO {quoted(member)}",
    )
    for name in (planted, member):
        login(name, "known").query("SELECT role FROM system_auth.roles")
    superuser.login(clustered.home, clustered.cluster().endpoint)  # as every start does
    cannot_log_in(login, planted, "known")
    refused(login(member, "known"), "SELECT role FROM system_auth.roles")
    as_administrator(clustered, f"DROP ROLE {quoted(planted)}", f"DROP ROLE {quoted(member)}")


def test_a_sync_does_not_wait_for_ever_for_another(
    clustered: Myriad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SQL, "patience", "SET lock_timeout = '100ms'")
    with closing(as_admin(clustered.server(), autocommit=True)) as other:
        other.execute(SQL["lock_cassandra"])
        with pytest.raises(EngineError, match="somebody else") as error:
            cassandra.sync(clustered.server(), clustered.cluster())
    assert error.value.retryable
