"""Names and descriptions in Cassandra: what must be written in quotes, and what is refused."""

import zipfile
from contextlib import closing
from typing import Any

import pytest

from myriad.cql.session import Session
from myriad.cql.text import RESERVED
from myriad.engines.cassandra.nodes import jars
from myriad.errors import CqlError, UsageError
from myriad.publish import recipe_record
from myriad.publish.recipes import Recipe
from tests.harness import as_admin, run
from tests.keyspaces import Space

# Words of CQL that may be names.
NAMES = """
key as clustering counter custom distinct exists filtering function group json keys language list
login map options password per partition permission role roles static storage superuser timeout
timestamp ttl tuple type user users values writetime date time duration ascii text uuid column
cast contains like between vector ann count
"""


def test_the_words_that_are_said_to_be_no_names_are_all_of_cassandras_own(space: Space) -> None:
    folder = jars.cache(space.installation.settings.cache)
    [program] = folder.glob("cassandra-*/cassandra-all-*.jar")
    with zipfile.ZipFile(program) as archive:
        listed = archive.read("org/apache/cassandra/cql3/reserved_keywords.txt").decode()
    assert {word.lower() for word in listed.split()} <= RESERVED
    assert [word for word in NAMES.split() if not _is_a_name(space, word)] == []
    assert not RESERVED & set(NAMES.split())


def _is_a_name(space: Space, word: str) -> bool:
    """Say whether Cassandra takes a word for the name of a column."""
    try:
        space.ask(f"SELECT {word} FROM system.local")
    except CqlError as error:
        return error.code != CqlError.SYNTAX
    return True


def test_what_must_be_written_in_quotes_is_named_with_how_to_write_it(space: Space) -> None:
    path = space.write("order.csv", "id,user,token,2nd\n1,a,b,c\n")
    report = space.publish(path, "id")
    [note] = [note for note in report.tables[0].notes if "quotes" in note]
    assert note == 'in CQL write in quotes: "order", "token", "_2nd"'
    assert space.ask('SELECT id, user, "token", "_2nd" FROM {}."order"') == [(1, "a", "b", "c")]
    shown = run(space.installation.home, "show", f"{space.dataset}.order").stdout
    assert f"\n  note: {note}\n" in shown


def test_a_description_that_a_terminal_would_obey_is_refused_and_lines_are_kept(
    space: Space,
) -> None:
    space.publish(space.write("t.csv", "id,v\n1,a\n"), "id")
    name = f"{space.dataset}.t"
    with pytest.raises(UsageError, match="control character"):
        space.installation.say(name, "a\x1b[31mb")
    space.installation.say(name, "What we sold:\n\tall of it")
    assert _comment(space).startswith("What we sold:\n\tall of it\nPublished ")


@pytest.mark.nightly(
    daily="tests/integration/test_texts_cassandra.py::"
    "test_a_description_comes_in_with_the_recipe_and_is_changed_and_forgotten_with_it"
)
def test_what_is_said_stays_when_older_recipes_are_taken_over_later(space: Space) -> None:
    path, name = space.write("t.csv", "id,v\n1,a\n"), f"{space.dataset}.t"
    space.publish(path, "id", to="both")
    space.installation.unpublish(name, engine="postgres")
    server, database = space.installation.server(), space.installation.settings.database
    with closing(as_admin(server, database, autocommit=True)) as connection:
        recipe = '{"key": "id", "to": "cassandra"}'  # of a publish that was killed after its commit
        connection.execute(
            "INSERT INTO myriad.recipe VALUES (%s, 't', %s)", [space.dataset, recipe]
        )
    space.installation.say(name, "What we sold.")
    there = recipe_record.of_dataset(server, database, space.dataset)["t"]
    assert (there.description, there.key) == ("What we sold.", "id")


def test_a_description_comes_in_with_the_recipe_and_is_changed_and_forgotten_with_it(
    space: Space,
) -> None:
    home, name = space.installation.home, f"{space.dataset}.t"
    file = space.write("r.json", '{"description": "What we bought.", "to": "cassandra"}')
    assert run(home, "recipe", name, "--import", file).returncode == 0
    path = space.write("t.csv", "id,v\n1,a\n")
    space.publish(path, "id", to=None)
    assert _comment(space).startswith("What we bought.\nPublished ")
    space.installation.say(name, "What we sold.")
    assert space.installation.recipe(name).description == "What we sold."
    space.installation.say(name, "")
    space.publish(path, to=None)
    assert _comment(space).startswith("Published ")
    assert space.installation.recipe(name).key == "id"
    space.installation.unpublish(name, purge=True)
    assert space.installation.recipe(name) == Recipe()


def test_a_table_comes_with_its_comment_and_one_written_by_hand_stays(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change of a schema takes a tenth of a second."""
    altered, real = list[str](), Session.query

    def query(session: Session, text: str, *values: Any, **options: Any) -> Any:
        if text.startswith("ALTER"):
            altered.append(text)
        return real(session, text, *values, **options)

    monkeypatch.setattr(Session, "query", query)
    path = space.write("t.csv", "id,v\n1,a\n")
    space.publish(path, "id")
    assert altered == []
    assert _comment(space).endswith(" from t.csv: 1 row.")
    path.write_text("id,v\n1,a\n2,b\n")
    space.publish(path)
    assert len(altered) == 1
    assert _comment(space).endswith(" from t.csv: 2 rows.")
    space.ask("ALTER TABLE {}.t WITH comment = 'ours'")
    space.publish(path)
    assert _comment(space) == "ours"


def _comment(space: Space) -> str:
    where = "keyspace_name = ? AND table_name = 't'"
    query = f"SELECT comment FROM system_schema.tables WHERE {where}"
    [(comment,)] = space.ask(query, [space.dataset])
    return str(comment)
