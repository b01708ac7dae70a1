"""What somebody makes in a database of Myriad's gives them nothing of others who use it.

Functions that run as their owner, views and policies that hide rows, default privileges. Myriad
grants nobody the right to make things; an administrator may have, by hand.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from myriad.connect import Target
from tests.harness import as_admin, wait_until
from tests.publishing import Place

WHO = "SELECT current_setting('session_authorization')"
SECRETS = """
    CREATE SCHEMA hidden; CREATE TABLE hidden.secret (person text, word text);
    INSERT INTO hidden.secret SELECT name, 'word of ' || name
    FROM unnest(ARRAY[NAMES]) AS name"""
# They show in an error what is in rows that should not be seen, where these are looked at.
PROBES = (
    "SELECT word::int FROM seen",
    "SELECT count(*) FROM seen WHERE word::int > 0",
    "SELECT count(*) FROM seen WHERE 1 / (length(word) - 1000) = 0 AND word::date IS NULL",
    "SELECT max(word) FROM seen GROUP BY word HAVING word::json IS NULL",
)


@dataclass(frozen=True)
class Shared:
    """A database of Myriad's with three people of one group: a maker, and two who read.

    Attributes:
        passwords: by name, the maker's first.
    """

    place: Place
    group: str
    passwords: dict[str, str]

    @property
    def names(self) -> list[str]:
        return list(self.passwords)

    def log_in(self, name: str) -> psycopg.Connection:
        """Log in at the door."""
        server = self.place.installation.server()
        target = Target(server.host, server.port, self.place.database, name, self.passwords[name])
        return psycopg.connect(target.uri(with_password=True), autocommit=True)

    def allow(self, statements: str) -> None:
        """Run statements as administrator; NAMES are all people, MAKER and GROUP are quoted."""
        for mark, text in (
            ("NAMES", ", ".join(f"'{name}'" for name in self.names)),
            ("MAKER", f'"{self.names[0]}"'),
            ("GROUP", f'"{self.group}"'),
        ):
            statements = statements.replace(mark, text)
        server = self.place.installation.server()
        with closing(as_admin(server, self.place.database, autocommit=True)) as connection:
            connection.execute(statements.encode())

    def roles(self) -> set[str]:
        """Return as whom they are known to PostgreSQL."""
        found = set()
        for name in self.names:
            with closing(self.log_in(name)) as connection:
                found.add(connection.execute(WHO).fetchall()[0][0])
        return found


@pytest.fixture
def shared(place: Place, tag: str) -> Iterator[Shared]:
    people, names = place.installation.people, [f"{n} {tag}" for n in ("maker", "ann", "ben")]
    added = people.add_people(names, [f"sharers {tag}"])
    people.grant(f"sharers {tag}", "public", place.database)
    made = Shared(place, f"sharers {tag}", dict(added))
    yield made
    made.allow("REASSIGN OWNED BY MAKER TO myriad")
    people.remove(names)
    people.remove_group(f"sharers {tag}")


def test_a_function_that_runs_as_its_owner_reaches_nothing_but_theirs(shared: Shared) -> None:
    assert len(shared.roles()) == 1
    shared.allow("GRANT USAGE, CREATE ON SCHEMA public TO MAKER")
    maker, ann, ben = (shared.log_in(name) for name in shared.names)
    with closing(maker), closing(ann), closing(ben):
        maker.execute("""
            CREATE FUNCTION public.look() RETURNS text LANGUAGE sql SECURITY DEFINER
                AS 'SELECT rolpassword FROM pg_authid LIMIT 1';
            CREATE FUNCTION public.become() RETURNS text LANGUAGE sql SECURITY DEFINER
                AS $$ SELECT set_config('role', 'none', false) $$;
            CREATE FUNCTION public.leave() RETURNS text LANGUAGE sql SECURITY DEFINER
                AS $$ SELECT set_config('app.left', session_user, false) $$""")
        for statement in ("SELECT public.look()", "SELECT public.become()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ann.execute(statement)
        ann.execute("SELECT public.leave()")
        left = ben.execute("SELECT current_setting('app.left', true)").fetchall()
        assert left in ([(None,)], [("",)])
        wait_until(lambda: shared.roles() == set(shared.names))


@pytest.mark.parametrize(
    "hide",
    [
        (
            "CREATE VIEW public.seen WITH (security_barrier) AS"
            " SELECT * FROM hidden.secret WHERE person = current_user"
        ),
        (
            "ALTER TABLE hidden.secret ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY own ON hidden.secret USING (person = current_user);"
            "GRANT USAGE ON SCHEMA hidden TO GROUP; GRANT SELECT ON hidden.secret TO GROUP;"
            "CREATE VIEW public.seen WITH (security_invoker) AS SELECT * FROM hidden.secret"
        ),
    ],
    ids=["leaky view", "row security"],
)
def test_rows_that_are_hidden_show_neither_in_answers_nor_in_errors(
    shared: Shared, hide: str
) -> None:
    shared.allow(SECRETS + ";" + hide + ";GRANT SELECT ON public.seen TO GROUP")
    wait_until(lambda: shared.roles() == set(shared.names))
    for _ in range(2):  # the second time with what was prepared before
        for name in shared.names:
            with closing(shared.log_in(name)) as connection:
                rows = connection.execute("SELECT word FROM seen", prepare=True).fetchall()
                assert rows == [(f"word of {name}",)]
                for probe in PROBES:
                    with pytest.raises(psycopg.DataError) as error:
                        connection.execute(probe.encode(), prepare=True)
                    others = [other for other in shared.names if other != name]
                    assert not any(other in str(error.value) for other in others)


def test_default_privileges_of_others_give_nothing_of_what_is_published(shared: Shared) -> None:
    shared.allow("GRANT USAGE, CREATE ON SCHEMA public TO MAKER")
    with closing(shared.log_in(shared.names[0])) as maker:
        maker.execute(
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;"
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO PUBLIC"
        )
    shared.place.publish(shared.place.write("t.csv", "id\n1\n"))
    rights = "SELECT has_table_privilege('public', 't', 'SELECT'), has_table_privilege(%s, 't', %s)"
    assert shared.place.ask(rights, [shared.names[1], "INSERT"]) == [(False, False)]
