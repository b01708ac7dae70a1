"""Names that are words of the language: the report says which must be written in quotes."""

import psycopg

from myriad.publish.postgres.existing import query
from tests.harness import run
from tests.publishing import Place


def test_a_table_and_columns_that_are_words_of_sql_are_named_with_how_to_write_them(
    place: Place,
) -> None:
    path = place.write("order.csv", "id,user,end,größe,note\n1,a,b,c,d\n")
    report = place.publish(path)
    [note] = [note for note in report.tables[0].notes if "quotes" in note]
    assert note == 'in SQL write in quotes: "order", "user", "end"'
    assert place.ask('SELECT "user", "end", größe, note FROM "order"') == [("a", "b", "c", "d")]
    where = "--database", place.database
    done = run(place.installation.home, "publish", path, "--dry-run", *where)
    assert f"\n  note: {note}\n" in done.stdout
    shown = run(place.installation.home, "show", "order", *where)
    assert f"\n  note: {note}\n" in shown.stdout
    plain = place.publish(place.write("t.csv", "id,name,time,größe\n1,a,b,c\n"))
    assert not any("quotes" in note for note in plain.tables[0].notes)


def test_other_names_that_need_quotes_are_named_too(place: Place) -> None:
    text = ",".join(f'"Col ""{n}"""' for n in range(12)) + "\n" + ",".join("x" * 12) + "\n"
    report = place.publish(place.write("t.csv", text), keep_names=True)
    [note] = [note for note in report.tables[0].notes if "quotes" in note]
    assert note.startswith('in SQL write in quotes: "Col ""0""", ')
    assert note.endswith(" and 2 more")


def test_what_is_said_of_words_is_what_the_server_does_with_each_of_them(place: Place) -> None:
    """Each of the server's own words is a name without quotes, or is said not to be."""
    words = [word for (word,) in place.ask("SELECT word FROM pg_get_keywords() ORDER BY word")]
    columns = ", ".join(f'"{word}" integer DEFAULT 7' for word in words)
    place.ask(f"CREATE TABLE t ({columns}); INSERT INTO t DEFAULT VALUES")
    with place.connect() as connection:
        odd = [row["word"] for row in query(connection, "words", names=words)]
        wrong = [word for word in words if not _works(connection, word)]
    assert sorted(odd) == wrong
    assert {"order", "user", "left", "end"} < set(wrong)


def _works(connection: psycopg.Connection, word: str) -> bool:
    """Say whether a column of that name can be asked for without quotes."""
    try:
        return connection.execute(f"SELECT {word} FROM t".encode()).fetchone() == (7,)
    except psycopg.Error:
        return False
