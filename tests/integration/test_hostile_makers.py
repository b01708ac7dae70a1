"""Somebody who may make things in a database of Myriad's never gets a publish to run their code.

Myriad grants nobody that right; an administrator may have, by hand.
"""

import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from myriad import Myriad
from myriad.engines.postgres.databases import create_database
from myriad.errors import PublishError
from myriad.publish.postgres import swap
from tests.harness import as_admin
from tests.publishing import Place

# Whoever runs it, and with what rights, stays written down whatever becomes of the transaction.
EVIL = """
    CREATE SEQUENCE theirs.ran;
    CREATE FUNCTION theirs.note() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        IF session_user <> 'NAME' AND current_user <> 'NAME' THEN
            PERFORM nextval('theirs.ran');
        END IF;
    END $$;
    CREATE FUNCTION theirs.evil(v bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM theirs.note(); RETURN v; END $$;
    CREATE FUNCTION theirs.good(v bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM theirs.note(); RETURN true; END $$;
    CREATE FUNCTION theirs.trapped() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM theirs.note(); RETURN NEW; END $$;
    CREATE DOMAIN theirs.trap AS bigint CHECK (theirs.good(VALUE));
    CREATE TYPE theirs.pair AS (a theirs.trap, b int);
    CREATE TYPE theirs.odd AS ENUM ('1', '2');
    CREATE TYPE theirs.plain AS ENUM ('1', '2');
    CREATE FUNCTION theirs.to_int(theirs.odd) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM theirs.note(); RETURN 1; END $$;
    CREATE CAST (theirs.odd AS int8) WITH FUNCTION theirs.to_int AS IMPLICIT
"""


@dataclass(frozen=True)
class Maker:
    """A person with a schema of their own beside what was published."""

    name: str
    place: Place

    def run(self, statements: str) -> None:
        """Run statements as this person, without the door."""
        dsn = self.place.installation.server().dsn
        mine = make_conninfo(dsn, user=self.name, dbname=self.place.database, options="")
        with closing(psycopg.connect(mine, autocommit=True)) as connection:
            connection.execute(statements.encode())

    def allow(self, statements: str) -> None:
        """Run statements as an administrator who trusts this person."""
        server = self.place.installation.server()
        with closing(as_admin(server, self.place.database, autocommit=True)) as connection:
            connection.execute(statements.replace("NAME", f'"{self.name}"').encode())

    def ran(self) -> bool:
        """Say whether anything of theirs ran with more rights than theirs."""
        return bool(self.place.one("SELECT is_called FROM theirs.ran"))


@pytest.fixture(scope="module")
def person(installation: Myriad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    tag = uuid.uuid4().hex[:8]
    people, database = installation.people, f"makers_{tag}"
    create_database(installation.server(), database)
    [(name, _)] = people.add_people([f"maker {tag}"], [f"makers {tag}"])
    people.grant(f"makers {tag}", "public", database)
    yield Maker(name, Place(installation, database, tmp_path_factory.mktemp("makers")))
    with closing(as_admin(installation.server(), autocommit=True)) as connection:
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
    people.remove([name])
    people.remove_group(f"makers {tag}")


@pytest.fixture
def maker(person: Maker) -> Iterator[Maker]:
    """Somebody with a schema of their own, and a table that was just published."""
    person.allow(
        "CREATE SCHEMA theirs; GRANT ALL ON SCHEMA theirs TO NAME;"
        "GRANT USAGE ON LANGUAGE plpgsql TO NAME"
    )
    person.run(EVIL.replace("NAME", person.name))
    person.place.publish(
        person.place.write("t.csv", "id,v\n1,1\n2,2\n"), keys={"": ("id",)}, replace=True
    )
    yield person
    person.allow("DROP SCHEMA theirs CASCADE; DROP TABLE public.t CASCADE")


# Made by somebody who may only make things: what is in them runs when it is read again.
VIEWS = {
    "an array of a domain": """
        CREATE VIEW theirs.v AS SELECT id FROM public.t WHERE id <> ALL ('{7}'::theirs.trap[])""",
    "a row that has a domain": """
        CREATE VIEW theirs.v AS
            SELECT id FROM public.t WHERE '(7,7)'::theirs.pair IS NOT NULL""",
    "a range of a domain": """
        CREATE TYPE theirs.span AS RANGE (subtype = theirs.trap);
        CREATE VIEW theirs.v AS
            SELECT id FROM public.t WHERE '[1,7)'::theirs.span IS NOT NULL""",
    "a domain in a view over a view": """
        CREATE VIEW theirs.v AS SELECT * FROM public.t;
        CREATE VIEW theirs.w AS SELECT '{7}'::theirs.trap[] FROM theirs.v""",
    "a domain in an index": """
        CREATE MATERIALIZED VIEW theirs.m AS SELECT id FROM public.t;
        CREATE INDEX ON theirs.m ((id <> ALL ('{7}'::theirs.trap[])))""",
    "calls in a materialized view and its index": """
        CREATE MATERIALIZED VIEW theirs.m AS SELECT theirs.evil(id) AS id FROM public.t;
        CREATE INDEX ON theirs.m (theirs.evil(id))""",
    "a cast for a foreign key": """
        CREATE TABLE theirs.child (id theirs.odd REFERENCES public.t);
        INSERT INTO theirs.child VALUES ('1')""",
}
TRIGGERS = {
    "a trigger": """
        CREATE TRIGGER trap BEFORE INSERT ON public.t
        FOR EACH ROW EXECUTE FUNCTION theirs.trapped()""",
    "a trigger with a condition": """
        CREATE TRIGGER trap BEFORE INSERT ON public.t FOR EACH ROW WHEN (theirs.good(NEW.v))
        EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
}
# Made by an administrator, with a function or a view that somebody else can change later: what a
# table that is filled runs, and what a table that is replaced hands on.
FILLED = {
    "a default": "ALTER TABLE public.t ADD w bigint DEFAULT theirs.evil(1)",
    "a generated column": """
        ALTER TABLE public.t ADD w bigint GENERATED ALWAYS AS (theirs.evil(v)) STORED""",
    "a check": "ALTER TABLE public.t ADD CHECK (theirs.good(v))",
    "a type": "ALTER TABLE public.t ADD w theirs.trap",
    "an index": "CREATE INDEX ON public.t (theirs.evil(v))",
    "an exclusion": "ALTER TABLE public.t ADD EXCLUDE (v WITH =) WHERE (theirs.good(v))",
    "a rule": "CREATE RULE r AS ON INSERT TO public.t DO ALSO SELECT theirs.evil(1)",
    "statistics": "CREATE STATISTICS public.s ON (theirs.evil(v)), id FROM public.t",
}
REPLACED = {
    "an index": "CREATE INDEX ON public.t (theirs.evil(v))",
    "an index on a part": "CREATE INDEX ON public.t (v) WHERE theirs.good(v)",
    "a call in a materialized view": """
        CREATE MATERIALIZED VIEW public.m AS SELECT theirs.evil(v) FROM public.t""",
    "a view in a materialized view": """
        CREATE MATERIALIZED VIEW public.m AS SELECT * FROM theirs.v""",
}


@pytest.mark.nightly(
    by_day=["a row that has a domain", "a domain in an index", "a cast for a foreign key"]
)
@pytest.mark.parametrize("what", VIEWS)
def test_what_hangs_on_a_table_runs_with_no_rights_but_its_owners(maker: Maker, what: str) -> None:
    maker.allow("GRANT REFERENCES ON public.t TO NAME")
    maker.run(VIEWS[what])
    _publish_again(maker)
    assert not maker.ran()


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("what", TRIGGERS)
def test_a_trigger_of_somebody_else_does_not_run(maker: Maker, what: str, *, append: bool) -> None:
    maker.allow("GRANT TRIGGER ON public.t TO NAME")
    maker.run(TRIGGERS[what])
    _publish_again(maker, append=append)
    assert not maker.ran()


@pytest.mark.nightly(by_day=["a default", "a check", "an exclusion", "statistics"])
@pytest.mark.parametrize("what", FILLED)
def test_filling_a_table_runs_nothing_of_somebody_else(maker: Maker, what: str) -> None:
    _change_later(maker, FILLED[what])
    _publish_again(maker, append=True)
    assert not maker.ran()


@pytest.mark.nightly(by_day=["an index on a part", "a call in a materialized view"])
@pytest.mark.parametrize("what", REPLACED)
def test_replacing_a_table_runs_nothing_of_somebody_else(maker: Maker, what: str) -> None:
    _change_later(maker, REPLACED[what])
    _publish_again(maker)
    assert not maker.ran()


@pytest.mark.nightly(by_day=["an index", "a view in a materialized view"])
@pytest.mark.parametrize("what", REPLACED)
def test_going_back_runs_nothing_of_somebody_else(maker: Maker, what: str) -> None:
    _publish_again(maker)
    _change_later(maker, REPLACED[what])
    with suppress(PublishError):
        maker.place.installation.undo("t", database=maker.place.database)
    assert not maker.ran()


@pytest.mark.nightly(by_day=["a type", "an index", "a rule"])
@pytest.mark.parametrize("what", FILLED)
def test_taking_rows_out_again_runs_nothing_of_somebody_else(maker: Maker, what: str) -> None:
    _publish_again(maker, append=True)
    _change_later(maker, FILLED[what])
    with pytest.raises(PublishError):
        maker.place.installation.undo("t", database=maker.place.database)
    assert not maker.ran()


def _change_later(maker: Maker, made: str) -> None:
    maker.run("CREATE VIEW theirs.v AS SELECT v FROM public.t")
    maker.allow(made)
    maker.run("CREATE OR REPLACE VIEW theirs.v AS SELECT theirs.evil(v)::int8 AS v FROM public.t")
    maker.allow("ALTER SEQUENCE theirs.ran RESTART")  # whoever made it has run it, too


def _publish_again(maker: Maker, **options: Any) -> None:
    """Publish a new version of the table; it may be refused."""
    text = "id,v\n9,9\n" if options.get("append") else "id,v\n1,1\n2,2\n3,3\n"
    with suppress(PublishError):
        maker.place.publish(maker.place.write("t.csv", text), **options)


@pytest.mark.parametrize(
    "owned", ["ALTER SCHEMA theirs OWNER TO NAME", "ALTER SCHEMA public OWNER TO NAME"]
)
def test_nothing_is_published_into_a_dataset_of_somebody_else(maker: Maker, owned: str) -> None:
    maker.allow(owned)
    dataset = owned.split()[2]
    choices: list[dict[str, Any]] = [{}, {"append": True}, {"dry_run": True}, {"replace": True}]
    for options in choices:
        with pytest.raises(PublishError, match=f"dataset {dataset} belongs to {maker.name}"):
            maker.place.publish(maker.place.folder / "t.csv", dataset=dataset, **options)
    maker.allow(f"ALTER SCHEMA {dataset} OWNER TO myriad")


def test_views_of_others_that_run_nothing_survive(maker: Maker) -> None:
    maker.allow("GRANT REFERENCES ON public.t TO NAME")
    maker.run("""
        CREATE TABLE theirs.child (id int2 REFERENCES public.t);
        INSERT INTO theirs.child VALUES (1);
        CREATE VIEW theirs.v AS
            SELECT theirs.evil(id) AS id, '1'::theirs.plain AS odd FROM public.t;
        CREATE MATERIALIZED VIEW theirs.m AS SELECT * FROM theirs.v;
        CREATE INDEX ON theirs.m (id) WHERE odd = '1'""")
    maker.place.publish(maker.place.write("t.csv", "id,w\n1,1\n2,2\n3,3\n"), contract="free")
    assert not maker.ran()
    assert maker.place.one("SELECT count(*) FROM theirs.m") == 3
    assert maker.place.one(
        "SELECT to_regclass('theirs.child') IN (SELECT conrelid FROM pg_constraint)"
    )


def test_a_schema_keeps_its_name_while_a_view_in_it_is_made_again(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker.allow(f"GRANT CREATE ON DATABASE {maker.place.database} TO NAME")
    maker.run("CREATE SCHEMA a; CREATE VIEW a.v AS SELECT * FROM public.t; CREATE SCHEMA b")
    refused = []

    def rename_then(connection: psycopg.Connection, kind: str, name: sql.Composable) -> None:
        try:
            maker.run(
                "SET lock_timeout = 100; ALTER SCHEMA a RENAME TO c; ALTER SCHEMA b RENAME TO a"
            )
        except psycopg.errors.LockNotAvailable:
            refused.append(kind)
        drop(connection, kind, name)

    drop = swap._drop  # noqa: SLF001 - the moment when it must hold
    monkeypatch.setattr(swap, "_drop", rename_then)
    maker.place.publish(maker.place.write("t.csv", "id,v\n1,1\n2,2\n3,3\n"))
    assert "VIEW" in refused
    assert maker.place.one("SELECT count(*) FROM a.v") == 3
    maker.allow("DROP SCHEMA a, b CASCADE")
