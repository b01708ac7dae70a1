"""Somebody who may create databases never gets Myriad to run their code with its rights."""

import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.connect import Target
from myriad.errors import PublishError
from myriad.publish import Options
from tests.harness import as_admin

EVIL = """
CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'ALTER ROLE "NAME" SUPERUSER';
    RETURN 1;
END $$;
"""


class Owner:
    """A person with a database of their own, in which they set traps."""

    def __init__(self, installation: Myriad) -> None:
        tag = uuid.uuid4().hex[:8]
        self.name, self.database = f"owner{tag}", f"own{tag}"
        self.installation = installation
        ((_, self._password),) = installation.people.add_people([self.name], (), owner=True)
        with closing(self.connect("main")) as connection:
            name = sql.Identifier(self.database)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))

    def connect(self, database: str) -> psycopg.Connection:
        server = self.installation.server()
        target = Target(server.host, server.port, database, self.name, self._password)
        return psycopg.connect(target.uri(with_password=True), autocommit=True)

    def trap(self, statements: str) -> None:
        with closing(self.connect(self.database)) as connection:
            connection.execute(EVIL.replace("NAME", self.name).encode())
            connection.execute(statements.encode())

    def is_superuser(self) -> bool:
        with closing(as_admin(self.installation.server())) as connection:
            row = connection.execute(
                "SELECT rolsuper FROM pg_roles WHERE rolname = %s", [self.name]
            ).fetchone()
        return bool(row and row[0])

    def remove(self) -> None:
        with closing(self.connect("main")) as connection:
            name = sql.Identifier(self.database)
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))
        self.installation.people.remove([self.name])


@pytest.fixture
def owner(installation: Myriad) -> Iterator[Owner]:
    made = Owner(installation)
    yield made
    made.remove()


def test_the_trap_works_on_an_administrator_who_walks_into_it(owner: Owner) -> None:
    owner.trap("")
    with closing(as_admin(owner.installation.server(), owner.database, autocommit=True)) as admin:
        admin.execute("SELECT public.evil()")
    assert owner.is_superuser()
    with closing(as_admin(owner.installation.server(), autocommit=True)) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(sql.Identifier(owner.name)))


def test_listing_what_is_published_runs_no_view_of_an_owner(owner: Owner) -> None:
    owner.trap(
        "CREATE SCHEMA myriad;"
        "CREATE TABLE myriad.run (run uuid, finished timestamptz);"
        "CREATE TABLE myriad.reject (run uuid);"
        "CREATE VIEW myriad.published AS SELECT 'public'::text AS dataset, 't'::text AS name,"
        " NULL::uuid AS run, public.evil()::bigint AS rows, '{}'::jsonb AS report"
    )
    assert owner.database not in {row["database"] for row in owner.installation.published()}
    with suppress(PublishError):
        owner.installation.describe("t", owner.database)
    assert not owner.is_superuser()


@pytest.mark.parametrize("options", [{"append": True}, {"replace": True}, {}])
def test_publishing_into_an_owners_database_is_refused(
    owner: Owner, folder: Path, options: dict[str, Any]
) -> None:
    owner.trap("CREATE TABLE public.t (a smallint, b int DEFAULT public.evil())")
    source = folder / "t.csv"
    source.write_text("a\n1\n")
    with pytest.raises(PublishError, match=f"belongs to {owner.name}"):
        owner.installation.publish([source], Options(database=owner.database, **options))
    assert not owner.is_superuser()


@pytest.mark.parametrize("options", [{"append": True}, {"replace": True}])
def test_a_table_of_somebody_else_is_left_alone(
    owner: Owner, installation: Myriad, database: str, folder: Path, options: dict[str, Any]
) -> None:
    with closing(as_admin(installation.server(), database, autocommit=True)) as admin:
        admin.execute("CREATE TABLE public.t (a smallint, b int DEFAULT 1 / 0)")
        role = sql.Identifier(owner.name)
        admin.execute(sql.SQL("ALTER TABLE public.t OWNER TO {}").format(role))
    source = folder / "t.csv"
    source.write_text("a\n1\n")
    with pytest.raises(PublishError, match=f"belongs to {owner.name}"):
        installation.publish([source], Options(database=database, **options))
    with closing(as_admin(installation.server(), database, autocommit=True)) as admin:
        admin.execute("DROP TABLE public.t")
