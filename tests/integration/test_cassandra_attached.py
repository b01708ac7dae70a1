"""A Cassandra that somebody else runs: used, never owned."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.cql.connection import Connection
from myriad.engines.cassandra.attached import AttachedCluster
from myriad.errors import CqlError, SettingsError, StartFailed, Unsupported
from myriad.home.home import Home
from myriad.settings import Settings, load
from tests.harness import Up, run, up
from tests.tls_proxy import certificate, proxy

TLS_ADDRESS = "127.0.0.13"


@pytest.fixture
def settings(clustered: Myriad, tmp_path: Path) -> Settings:
    """What attaches the cluster of another installation, as its superuser."""
    to = clustered.cluster().endpoint
    secret = tmp_path / "password"
    secret.write_text(f"{to.password}\n")
    return load(
        tmp_path,
        {
            "cassandra_at": f"{to.hosts[0]}:{to.port}",
            "cassandra_user": to.user,
            "cassandra_password_file": str(secret),
        },
    )


@pytest.fixture
def attached(settings: Settings, made_home: Home) -> Iterator[Up]:
    """A second installation that uses that cluster."""
    environment = {
        f"MYRIAD_{name.upper()}": str(getattr(settings, name)) for name in settings.origins
    }
    with up(made_home, **environment) as started:
        started.wait_ready()
        yield started


def test_it_is_told_from_one_of_our_own(settings: Settings) -> None:
    cluster = AttachedCluster(settings)
    cluster.begin()
    found = cluster.reached()
    assert found is not None
    assert (found.kind, found.login, found.nodes) == ("attached", "required", 1)
    assert found.batch_bytes < 5120  # below a stock cluster's warning
    assert found.batch_partitions <= 10


def test_publish_append_and_people_work_there_and_replacing_is_refused(
    attached: Up, clustered: Myriad, dataset: str, tmp_path: Path
) -> None:
    home, file = attached.home, tmp_path / "t.csv"
    file.write_text("id,name\n1,Rose\n2,Bruno\n")
    publish = ("publish", str(file), "--to", "cassandra", "--dataset", dataset, "--key", "id")
    done = run(home, *publish)
    assert done.returncode == 0, done.stderr
    again = run(home, *publish)
    assert again.returncode == 1
    assert "on an attached Cassandra a table cannot be replaced at once" in again.stderr
    file.write_text("id,name\n3,Ada\n")
    more = run(home, *publish, "--append")
    assert more.returncode == 0, more.stderr
    added = run(home, "person", "add", "attached_ada", "--group", "attached_staff")
    assert added.returncode == 0, added.stderr
    run(home, "grant", "attached_staff", dataset)
    password = added.stdout.split()[-1]
    to = replace(clustered.cluster().endpoint, user="attached_ada", password=password)
    with closing(Connection(to, to.hosts[0])) as connection:
        rows = connection.query(f"SELECT id, name FROM {dataset}.t")
        assert sorted(rows) == [(1, "Rose"), (2, "Bruno"), (3, "Ada")]
        with pytest.raises(CqlError, match="MODIFY"):
            connection.query(f"INSERT INTO {dataset}.t (id, name) VALUES (4, 'x')")
    assert run(home, "person", "remove", "attached_ada").returncode == 0
    with pytest.raises(CqlError):
        Connection(to, to.hosts[0])


def test_its_nodes_are_not_ours_to_restart_and_down_leaves_them(
    attached: Up, clustered: Myriad
) -> None:
    done = run(attached.home, "cassandra", "restart")
    assert done.returncode == 1
    assert "not ours to restart" in done.stderr
    assert "5.0.9, attached" in run(attached.home, "status").stdout
    assert attached.end() == 0
    with clustered.cluster().session() as session:
        assert session.query("SELECT key FROM system.local") == [("local",)]


def test_a_wrong_password_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    with pytest.raises(StartFailed) as error:
        AttachedCluster(settings).begin()
    assert "cassandra_password_file" in error.value.hint


def test_a_login_that_is_no_superuser_is_refused(
    settings: Settings, clustered: Myriad, tmp_path: Path
) -> None:
    [(name, password)] = clustered.people.add_people(["plain_person"])
    (tmp_path / "password").write_text(password)
    with pytest.raises(Unsupported, match="no superuser"):
        AttachedCluster(replace(settings, cassandra_user=name)).begin()
    clustered.people.remove([name])


@pytest.mark.parametrize("places", ["", ",", "host:port", "a:1,b:2"])
def test_contact_points_that_make_no_sense_are_refused(settings: Settings, places: str) -> None:
    with pytest.raises(SettingsError):
        AttachedCluster(replace(settings, cassandra_at=places)).begin()


def test_a_password_file_that_is_missing_is_named(settings: Settings, tmp_path: Path) -> None:
    missing = str(tmp_path / "gone")
    with pytest.raises(SettingsError, match="gone cannot be read"):
        AttachedCluster(replace(settings, cassandra_password_file=missing)).begin()


def test_encryption_is_checked_against_the_certificates_that_were_named(
    settings: Settings, clustered: Myriad, tmp_path: Path
) -> None:
    to = clustered.cluster().endpoint
    files = certificate(tmp_path, TLS_ADDRESS)
    (tmp_path / "other").mkdir()
    stranger, _ = certificate(tmp_path / "other", TLS_ADDRESS)
    secured = replace(settings, cassandra_at=TLS_ADDRESS, cassandra_ca=str(files[0]))
    with proxy(files, (TLS_ADDRESS, 9042), (to.hosts[0], to.port)):
        cluster = AttachedCluster(secured)
        cluster.begin()
        assert cluster.reached() is not None
        for wrong in (str(stranger), ""):
            with pytest.raises(StartFailed):
                AttachedCluster(replace(secured, cassandra_ca=wrong)).begin()
