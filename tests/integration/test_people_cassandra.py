"""Accounts, groups and grants on a real Cassandra: the same names, the same passwords."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from threading import Thread

import bcrypt
import psycopg
import pytest

from myriad import Myriad
from myriad.connect import Target
from myriad.cql.names import quoted
from myriad.errors import CqlError, PeopleError
from myriad.people import NewPerson, People
from myriad.people.cassandra import sync as cassandra
from myriad.publish.cassandra import record
from tests.cql_people import Login, as_administrator, cannot_log_in, refused
from tests.harness import as_admin, wait_until

HOSTILE = [
    'quo"te',
    "Zoë Łuczak 🦉",
    '"; DROP ROLE myriad; --',
]
MORE = [
    "O'Brien",
    "select",
    "Rose",
    "山田太郎",
    "x'; DROP ROLE cassandra; --",
    "100% sure $$ /* //",
    "back\\slash",
    "comma,semi;colon:@/?#[]{}",
    "-flag",
    "data/system",
    "n" * 63,
    "é" * 31,
]
at_night = pytest.mark.nightly(
    daily="tests/integration/test_people_cassandra.py::test_any_text_is_just_a_name"
)

ONE = "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"


@pytest.fixture
def people(clustered: Myriad) -> People:
    return clustered.people


@pytest.fixture
def published(clustered: Myriad, keyspace: str) -> Iterator[str]:
    """A keyspace that counts as made by Myriad, with a table of one row."""
    with record.opened(clustered.server()) as made:
        made.announce(keyspace, "main", keyspace)
        made.made(keyspace)
    as_administrator(
        clustered,
        f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v text)",
        f"INSERT INTO {keyspace}.t (k, v) VALUES (1, 'one')",
    )
    yield keyspace
    with closing(as_admin(clustered.server(), autocommit=True)) as connection:
        connection.execute("DELETE FROM cassandra_keyspace WHERE keyspace = %s", [keyspace])


def postgres(installation: Myriad, name: str, password: str) -> None:
    server = installation.server()
    target = Target(server.host, server.port, "main", name, password)
    psycopg.connect(target.uri(with_password=True)).close()


@pytest.mark.nightly(by_day=["None", "\\xfcn\\xef\\U0001f989"])
@pytest.mark.parametrize("typed", [None, "pass word", "p'\"\\;%$$", "ünï🦉", "x" * 72])
def test_one_password_opens_both_engines(
    clustered: Myriad, people: People, login: Login, tag: str, typed: str | None
) -> None:
    [(name, password)] = people.add([NewPerson(f"o {tag}", owner=True, password=typed)])
    assert people.behind == ""
    postgres(clustered, name, password)
    login(name, password)
    cannot_log_in(login, name, f"{password[:-1]}~")
    new = people.set_password(name, typed and f"new{typed[3:]}")
    postgres(clustered, name, new)
    login(name, new)
    cannot_log_in(login, name, password)
    people.remove([name])
    cannot_log_in(login, name, new)


def test_a_password_of_which_cassandra_would_see_a_part_is_refused(
    people: People, tag: str
) -> None:
    with pytest.raises(PeopleError, match="74 bytes") as error:
        people.add([NewPerson(f"o{tag}", password="é" * 37)])
    assert "72 bytes" in error.value.hint
    people.add_people([f"o{tag}"])
    with pytest.raises(PeopleError, match="73 bytes"):
        people.set_password(f"o{tag}", "x" * 73)
    people.remove([f"o{tag}"])


@pytest.mark.nightly(by_day=['"; DROP ROLE myriad; --'])
@pytest.mark.parametrize("base", [*HOSTILE, *(pytest.param(name, marks=at_night) for name in MORE)])
def test_any_text_is_just_a_name(
    people: People, login: Login, base: str, published: str, tag: str
) -> None:
    group = f"{base[:10]} {tag}"
    people.add_groups([group])
    people.grant(group, published)
    [(name, password)] = people.add_people([base], [group])
    assert people.behind == ""
    assert login(name, password).query(f"SELECT v FROM {published}.t") == [("one",)]
    new = people.set_password(base)
    session = login(base, new)
    people.leave(group, [base])
    refused(session, f"SELECT v FROM {published}.t")
    people.join(group, [base])
    people.remove_group(group)
    refused(session, f"SELECT v FROM {published}.t")
    people.remove([base])
    cannot_log_in(login, base, new)


def test_a_reader_reads_and_a_writer_writes_at_once_and_revoke_takes_it_at_once(
    people: People, login: Login, published: str, tag: str
) -> None:
    group, select = f"g {tag}", f"SELECT v FROM {published}.t WHERE k = 1"
    insert = f"INSERT INTO {published}.t (k, v) VALUES (2, 'two')"
    [(name, password)] = people.add_people([f"r {tag}"], [group])
    session = login(name, password)
    refused(session, select)
    people.grant(group, published)
    assert session.query(select) == [("one",)]
    for statement in (
        insert,
        f"DELETE FROM {published}.t WHERE k = 1",
        f"TRUNCATE {published}.t",
        f"DROP TABLE {published}.t",
        f"ALTER TABLE {published}.t ADD w int",
        f"CREATE TABLE {published}.u (k int PRIMARY KEY)",
        f"DROP KEYSPACE {published}",
        f"GRANT SELECT ON KEYSPACE {published} TO {quoted(name)}",
    ):
        refused(session, statement)
    people.grant(group, published, write=True)
    session.query(insert)
    people.grant(group, published)
    refused(session, insert)
    people.revoke(group, published)
    refused(session, select)
    people.remove([name])
    people.remove_group(group)


def test_people_see_nothing_of_accounts_and_of_each_other(
    people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"r {tag}"])
    session = login(name, password)
    for statement in (
        "SELECT * FROM system_auth.roles",
        "SELECT * FROM system_auth.role_permissions",
        "SELECT * FROM system_views.clients",
        "TRUNCATE system_views.roles_cache_keys",
        f"CREATE KEYSPACE k{tag} {ONE}",
        f'CREATE ROLE "x{tag}"',
        f"ALTER ROLE {quoted(name)} WITH SUPERUSER = true",
    ):
        refused(session, statement)
    people.remove([name])


def test_an_owner_makes_a_keyspace_and_is_not_removed_with_it(
    people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"o {tag}"], owner=True)
    [(other, others)] = people.add_people([f"other {tag}"], owner=True)
    session, rival = login(name, password), login(other, others)
    session.query(f"CREATE KEYSPACE own_{tag} {ONE}")
    session.query(f"CREATE TABLE own_{tag}.t (k int PRIMARY KEY)")
    session.query(f"INSERT INTO own_{tag}.t (k) VALUES (1)")
    people.sync()
    assert people.behind == ""
    assert session.query(f"SELECT k FROM own_{tag}.t") == [(1,)]
    refused(rival, f"SELECT k FROM own_{tag}.t")
    refused(rival, f"DROP KEYSPACE own_{tag}")
    with pytest.raises(PeopleError, match=f'owns keyspace "own_{tag}"') as error:
        people.remove([name])
    assert "GRANT ALL PERMISSIONS" in error.value.hint
    session.query(f"GRANT ALL PERMISSIONS ON KEYSPACE own_{tag} TO {quoted(other)}")
    session.query(f"GRANT ALL PERMISSIONS ON TABLE own_{tag}.t TO {quoted(other)}")
    people.remove([name])
    rival.query(f"DROP KEYSPACE own_{tag}")
    people.remove([other])


def test_grants_of_a_dataset_do_not_open_a_keyspace_that_somebody_made_with_its_name(
    people: People, login: Login, tag: str
) -> None:
    [(owner, owners)] = people.add_people([f"o {tag}"], owner=True)
    [(reader, readers)] = people.add_people([f"r {tag}"], [f"g {tag}"])
    people.grant(f"g {tag}", "public")
    session = login(owner, owners)
    session.query(f"CREATE KEYSPACE public {ONE}")
    try:
        session.query("CREATE TABLE public.t (k int PRIMARY KEY)")
        people.sync()
        refused(login(reader, readers), "SELECT k FROM public.t")
    finally:
        session.query("DROP KEYSPACE public")
    people.remove([owner, reader])
    people.remove_group(f"g {tag}")


def test_what_an_owner_granted_by_hand_stays(people: People, login: Login, tag: str) -> None:
    [(owner, owners)] = people.add_people([f"o {tag}"], owner=True)
    [(reader, readers)] = people.add_people([f"r {tag}"], [f"g {tag}"])
    session = login(owner, owners)
    session.query(f"CREATE KEYSPACE own_{tag} {ONE}")
    session.query(f"CREATE TABLE own_{tag}.t (k int PRIMARY KEY)")
    session.query(f"GRANT SELECT ON KEYSPACE own_{tag} TO {quoted(f'g {tag}')}")
    people.sync()
    assert login(reader, readers).query(f"SELECT k FROM own_{tag}.t") == []
    session.query(f"DROP KEYSPACE own_{tag}")
    people.remove([owner, reader])
    people.remove_group(f"g {tag}")


def test_a_name_that_is_used_again_inherits_nothing(
    clustered: Myriad, people: People, login: Login, published: str, tag: str
) -> None:
    """Also when Cassandra hears of both changes at once."""
    name, group = f"r {tag}", f"g {tag}"
    [(_, password)] = people.add_people([name], [group])
    as_administrator(
        clustered,
        f"GRANT ALL PERMISSIONS ON TABLE {published}.t TO {quoted(name)}",
        f"GRANT ALL PERMISSIONS ON TABLE {published}.t TO {quoted(group)}",
    )
    with login(name, password) as session:
        session.query(f"SELECT k FROM {published}.t")
    unheard = People(clustered.server(), clustered.settings)
    unheard.remove([name])
    unheard.remove_group(group)
    [(_, new)] = unheard.add_people([name], [group])
    people.sync()
    assert people.behind == ""
    cannot_log_in(login, name, password)
    refused(login(name, new), f"SELECT k FROM {published}.t")
    people.grant(group, published)
    login(name, new).query(f"SELECT k FROM {published}.t")
    people.remove([name])
    people.remove_group(group)


@pytest.mark.nightly(by_day=["True"])
@pytest.mark.parametrize("heard", [True, False])
def test_a_session_of_before_never_gets_the_rights_of_a_new_person_of_its_name(
    clustered: Myriad, people: People, login: Login, published: str, tag: str, *, heard: bool
) -> None:
    """Whether Cassandra hears of the removal first, or of both changes at once."""
    name, group, read = f"r {tag}", f"g {tag}", f"SELECT k FROM {published}.t"
    [(_, password)] = people.add_people([name], [group])
    people.grant(group, published)
    old = login(name, password)
    old.query(read)
    acting = people if heard else People(clustered.server(), clustered.settings)
    acting.remove([name])
    [(_, new)] = acting.add_people([name], [group])
    people.sync()
    assert f"does not have {name!r} yet" in people.behind
    assert "127." in people.behind  # where that session is
    for _ in range(2):
        refused(old, read)
        cannot_log_in(login, name, new)
        people.sync()
    [(other, others)] = people.add_people([f"other {tag}"], [group])  # who are not kept waiting
    login(other, others).query(read)
    old.close()
    wait_until(lambda: _is_there(people, login, name, new))
    login(name, new).query(read)
    people.remove([name, other])
    people.remove_group(group)


def _is_there(people: People, login: Login, name: str, password: str) -> bool:
    people.sync()
    with suppress(CqlError):
        login(name, password)
        return True
    return False


def test_a_name_waits_where_a_node_does_not_say_who_is_connected(
    clustered: Myriad, people: People, login: Login, tag: str
) -> None:
    [(name, _)] = people.add_people([f"r {tag}"])
    people.remove([name])
    cluster = clustered.cluster()
    two = replace(cluster.endpoint, hosts=(*cluster.endpoint.hosts, "127.255.255.1"))
    theirs = replace(cluster, kind="attached", folder=None, endpoint=two)
    [(_, password)] = People(clustered.server(), clustered.settings).add_people([name])
    elsewhere = People(clustered.server(), clustered.settings, theirs)
    elsewhere.sync()
    assert "127.255.255.1 does not say" in elsewhere.behind
    cannot_log_in(login, name, password)
    people.sync()
    login(name, password)
    people.remove([name])


def test_a_role_that_myriad_did_not_make_is_left_alone(
    clustered: Myriad, people: People, tag: str
) -> None:
    foreign = quoted(f"foreign {tag}")
    as_administrator(clustered, f"CREATE ROLE {foreign} WITH LOGIN = true AND PASSWORD = 'x'")
    for name in (f"foreign {tag}", "cassandra"):
        with pytest.raises(PeopleError, match="role already called") as error:
            people.add_people([name])
        assert "Myriad did not make it" in error.value.hint
        with pytest.raises(PeopleError, match="role already called"):
            people.add_groups([name])
    unheard = People(clustered.server(), clustered.settings)  # as while Cassandra was down
    unheard.add_people([f"foreign {tag}", f"fine {tag}"])
    before = as_administrator(clustered, "SELECT * FROM system_auth.roles WHERE role = 'foreign'")
    people.sync()
    assert f"'foreign {tag}'" in people.behind
    after = as_administrator(clustered, "SELECT * FROM system_auth.roles WHERE role = 'foreign'")
    assert before == after
    people.remove([f"foreign {tag}", f"fine {tag}"])
    assert people.behind == ""
    assert as_administrator(clustered, f"LIST ROLES OF {foreign}")
    as_administrator(clustered, f"DROP ROLE {foreign}")


def test_what_was_changed_by_hand_is_made_right_again(
    clustered: Myriad, people: People, login: Login, published: str, tag: str
) -> None:
    [(name, password)] = people.add_people([f"r {tag}"], [f"g {tag}"])
    people.grant(f"g {tag}", published)
    mine = bcrypt.hashpw(b"mine", bcrypt.gensalt(4, b"2a")).decode()  # everybody may change theirs
    as_administrator(
        clustered,
        f"UPDATE system_auth.roles SET salted_hash = '{mine}' WHERE role = '{name}'",
        f"REVOKE {quoted(f'g {tag}')} FROM {quoted(name)}",
        f"GRANT MODIFY ON KEYSPACE {published} TO {quoted(f'g {tag}')}",
    )
    people.sync()
    cannot_log_in(login, name, "mine")
    session = login(name, password)
    session.query(f"SELECT k FROM {published}.t")
    refused(session, f"INSERT INTO {published}.t (k) VALUES (3)")
    as_administrator(clustered, f"DROP ROLE {quoted(name)}")
    people.sync()
    login(name, password).query(f"SELECT k FROM {published}.t")
    people.remove([name])
    people.remove_group(f"g {tag}")


def test_a_second_sync_finds_nothing_to_do_and_many_at_once_agree(
    clustered: Myriad, people: People, login: Login, tag: str
) -> None:
    server, cluster = clustered.server(), clustered.cluster()
    unheard = People(server, clustered.settings)
    added = unheard.add_people([f"{number} {tag}" for number in range(50)], [f"g {tag}"])
    done: list[cassandra.Changes] = []
    threads = [
        Thread(target=lambda: done.append(cassandra.sync(server, cluster))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(changes.made) for changes in done) == [0, 0, 0, 51]
    assert cassandra.sync(server, cluster) == cassandra.Changes()
    login(*added[-1])
    people.remove([name for name, _ in added])
    people.remove_group(f"g {tag}")


def test_somebody_without_a_password_for_cassandra_is_locked_out_until_there_is_one(
    clustered: Myriad, people: People, login: Login, tag: str
) -> None:
    unheard = People(clustered.server(), clustered.settings)
    [(name, password)] = unheard.add_people([f"o {tag}"])
    unheard.set_password(name, "x" * 100)
    people.sync()
    cannot_log_in(login, name, password)
    cannot_log_in(login, name, "x" * 100)
    cannot_log_in(login, name, "")
    assert [each.cassandra for each in people.list_people() if each.name == name] == [False]
    login(name, people.set_password(name))
    people.remove([name])
